"""What toxics decide by themselves: sizes, draws, and how they are written."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstuck.errors import UsageError
from unstuck.links.outlet import Outlet
from unstuck.links.rules import UP
from unstuck.links.toxics import BEHAVIOURS
from unstuck.links.toxics.chain import Chain
from unstuck.links.toxics.noop import Noop
from unstuck.links.toxics.of_link import LinkToxics
from unstuck.links.toxics.port import Behaviour, Stage, Stream, Toxic
from unstuck.links.toxics.slicer import Slicer
from unstuck.links.toxics.stage import ToxicStage
from unstuck.links.toxics.text import attribute_names, behaviour_of, decode_toxic, encode_toxic


@given(
    total=st.integers(1, 5000),
    average=st.integers(-3, 600),
    variation=st.integers(-3, 600),
    seed=st.integers(0, 100),
)
def test_pieces_are_whole_and_none_is_empty(total: int, average: int, variation: int, seed: int) -> None:
    """Whatever a client asks for: also a variation above the average, or an average of nothing."""
    slicer = Slicer(average_size=average, size_variation=variation)
    sizes = list(slicer.sizes(total, random.Random(seed)))
    assert sum(sizes) == total
    assert min(sizes) >= 1
    assert max(sizes) <= max(1, average) + max(0, variation)


@pytest.mark.parametrize("kind", BEHAVIOURS)
def test_toxics_are_read_as_they_were_written(kind: str) -> None:
    """With every attribute that they have."""
    attributes = {name: number for number, name in enumerate(attribute_names(kind), 1)}
    toxic = Toxic(name="a", stream="upstream", toxicity=0.25, behaviour=behaviour_of(kind, attributes))
    assert decode_toxic(encode_toxic(toxic)) == toxic
    assert encode_toxic(toxic)["attributes"] == attributes


def test_unknown_types_and_attributes_are_refused() -> None:
    """With the one that was meant."""
    with pytest.raises(UsageError, match=r"type='latenci' is unknown. Did you mean 'latency'"):
        behaviour_of("latenci", {})
    with pytest.raises(UsageError, match=r"'jiter' is no attribute of latency. Did you mean 'jitter'"):
        behaviour_of("latency", {"jiter": 1})


def stages_of(toxicity: float, *, seed: int = 1, name: str = "a") -> list[bool]:
    """For each of a hundred connections, whether the toxic acts on it."""

    async def drawn() -> list[bool]:
        toxics = LinkToxics(link="l", seed=seed, connections=tuple, touched=lambda *_: None)
        toxics.add(Toxic(name=name, stream="upstream", toxicity=toxicity, behaviour=Noop()))
        acts = []
        for number in range(100):
            [stage] = toxics.stages(number)
            acts.append(stage._task is not None)
            stage.onward = lambda _: None
            stage.abandon()
        return acts

    return asyncio.run(drawn())


def test_the_draws_come_from_the_seed() -> None:
    """The same again, others with another seed or name, and a higher toxicity only adds connections."""
    half = stages_of(0.5)
    assert half == stages_of(0.5)
    assert half != stages_of(0.5, seed=2)
    assert half != stages_of(0.5, name="b")
    assert 25 < sum(half) < 75
    assert all(more >= less for more, less in zip(stages_of(0.8), half, strict=True))
    assert not any(stages_of(0))
    assert all(stages_of(1))


class Broken:
    """A toxic with a bug."""

    kind: ClassVar[str] = "broken"
    buffer_bytes: ClassVar[int] = 1

    async def pipe(self, stage: Stage) -> None:
        await stage.take()
        raise RuntimeError("a bug")


def in_a_chain(behaviour: Behaviour, steps: Callable[[Chain], None]) -> tuple[list[bool], list[str]]:
    """How the chain closed the connection, and what was told of it, once `steps` were taken."""
    closed: list[bool] = []
    told: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(repr(context["exception"])))
        chain = Chain(Outlet(state=UP), close=closed.append)
        stream: Stream = "upstream"
        toxic = Toxic(name="a", stream=stream, behaviour=behaviour)
        chain.add(ToxicStage(toxic, rng=random.Random(1), draw=0.0, first=lambda _: None))
        steps(chain)
        for _ in range(5):
            await asyncio.sleep(0)
        chain.die()

    asyncio.run(run())
    return closed, told


def test_a_bug_in_a_toxic_is_told_and_resets() -> None:
    """It must not hang a connection in silence: that would be a failure of the service."""
    closed, told = in_a_chain(Broken(), lambda chain: chain.send(b"x"))
    assert closed == [True]
    assert told == ["RuntimeError('a bug')"]


def test_whoever_waits_for_bytes_is_told_when_the_socket_is_gone() -> None:
    """Also of bytes that a toxic holds."""
    told: list[bool] = []

    def steps(chain: Chain) -> None:
        chain.send(b"x")
        chain.when_sent(told.append)

    in_a_chain(behaviour_of("latency", {"latency": 60_000}), steps)
    assert told == [False]


def test_whoever_waits_for_bytes_that_a_toxic_swallowed_is_told_so() -> None:
    """They are never out, though the connection lives on."""
    told: list[bool] = []

    async def run() -> list[bool]:
        chain = Chain(Outlet(state=UP), close=lambda _: None)
        toxic = Toxic(name="a", stream="upstream", behaviour=behaviour_of("timeout", {"timeout": 0}))
        chain.add(ToxicStage(toxic, rng=random.Random(1), draw=0.0, first=lambda _: None))
        chain.send(b"x")
        chain.when_sent(told.append)
        await asyncio.sleep(0)
        before_its_end = list(told)
        chain.die()
        return before_its_end

    assert asyncio.run(run()) == [False]
