"""The role that pushes: who gets an event, how often, and what is left to the queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.ports import Unavailable
from reference_service.push import KEEP_S, Pusher, loop
from reference_service.store import events

A, B = "http://a", "http://b"


class Workers:
    """Endpoints by script: True takes, False refuses, an exception is raised. Keeps who was asked."""

    def __init__(self, **answers: bool | Unavailable) -> None:
        self.answers = {f"http://{name}": answer for name, answer in answers.items()}
        self.asked: list[str] = []
        self.within_s: list[float | None] = []

    def post(self, address: str, body: Mapping[str, Any], *, within_s: float | None) -> bool:
        assert body == {"job": "j"}
        self.asked.append(address)
        self.within_s.append(within_s)
        answer = self.answers[address]
        if isinstance(answer, Unavailable):
            raise answer
        return answer


def make(workers: Workers, **settings: Any) -> tuple[MemoryWorld, Pusher]:
    """A pusher, and one event in the queue; every worker is in the register."""
    world = memory_world(receive_wait_s=0, **settings)
    for name in workers.answers:
        events.register_instance(
            world.service.store, instance=name, role="worker", boot_id=name, pid=1, address=name
        )
    world.jobs_queue.send({"job": "j"})
    return world, Pusher(world.service, workers)


def test_one_that_takes_it_ends_it() -> None:
    """The event is deleted, and nobody else is asked; the next event goes to the next worker."""
    workers = Workers(a=True, b=True)
    world, pusher = make(workers)
    assert pusher.step(lambda: False) == 0.0
    assert world.jobs_queue.bodies() == []
    world.jobs_queue.send({"job": "j"})
    pusher.step(lambda: False)
    assert sorted(workers.asked) == [A, B]


@pytest.mark.parametrize("answer", [False, Unavailable("refused")], ids=["503", "no-answer"])
def test_one_that_does_not_take_it_sends_it_on(answer: bool | Unavailable) -> None:
    """Whoever drains or is gone costs nothing but the question."""
    workers = Workers(a=answer, b=answer)
    workers.answers[B] = True
    world, pusher = make(workers)
    pusher.step(lambda: False)
    assert workers.asked[-1] == B
    assert world.jobs_queue.bodies() == []


def test_it_is_pushed_again_with_growing_pauses_until_somebody_takes_it() -> None:
    """The event stays in the queue, hidden, as long as nobody has it."""
    workers = Workers(a=False)
    world, pusher = make(workers)
    asked_at: list[float] = []
    while len(asked_at) < 6:
        before = len(workers.asked)
        wait_s = pusher.step(lambda: False)
        assert wait_s > 0.0
        asked_at += [world.clock.now()] * (len(workers.asked) - before)
        world.clock.advance(wait_s + 0.001)
    assert asked_at[-1] - asked_at[-2] > 2 * (asked_at[1] - asked_at[0])
    assert len(world.jobs_queue.bodies()) == 1
    workers.answers[A] = True
    while pusher.step(lambda: False):
        world.clock.advance(1.0)
    assert world.jobs_queue.bodies() == []


def test_without_redelivery_one_try_is_all() -> None:
    """`push_redelivery` off deletes what was refused."""
    workers = Workers(a=False)
    world, pusher = make(workers, defences_off="push_redelivery")
    pusher.step(lambda: False)
    assert (workers.asked, world.jobs_queue.bodies()) == ([A], [])


@pytest.mark.parametrize(("off", "within_s"), [("", 2.5), ("ack_deadline", None)])
def test_an_answer_is_waited_for_until_the_deadline(off: str, within_s: float | None) -> None:
    """`ack_deadline` off waits without end."""
    workers = Workers(a=True)
    _, pusher = make(workers, ack_deadline_s=2.5, defences_off=off)
    pusher.step(lambda: False)
    assert workers.within_s == [within_s]


def test_what_nobody_takes_for_long_is_left_to_the_queue() -> None:
    """This process forgets it, and gets it again once the queue shows it."""
    workers = Workers(a=False)
    world, pusher = make(workers)
    pusher.step(lambda: False)
    world.clock.advance(KEEP_S + 0.1)
    asked = len(workers.asked)
    pusher.step(lambda: False)
    assert len(workers.asked) == asked
    workers.answers[A] = True
    world.clock.advance(5.0)
    pusher.step(lambda: False)
    assert world.jobs_queue.bodies() == []


def test_the_dead_and_those_that_ask_the_queue_are_not_pushed_to() -> None:
    """A worker that said good-bye, one that was not heard of for long, and one without an address."""
    workers = Workers(a=True, b=True)
    world, pusher = make(workers, instance_dead_after_s=20)
    world.clock.advance(30)
    events.register_instance(world.service.store, instance="c", role="worker", boot_id="c", pid=1)
    assert pusher.step(lambda: False) > 0.0
    events.beat_instance(world.service.store, instance=A, boot_id=A)
    events.stop_instance(world.service.store, instance=A, boot_id=A)
    events.beat_instance(world.service.store, instance=B, boot_id=B)
    world.clock.advance(1.0)
    pusher.step(lambda: False)
    assert workers.asked == [B]


def test_what_is_held_at_the_end_is_given_back() -> None:
    """Another one need not wait for the visibility timeout."""
    workers = Workers(a=False)
    world, pusher = make(workers)
    pusher.step(lambda: False)
    pusher.stop()
    (again,) = world.jobs_queue.receive(wait_s=0.0, most=10)
    assert again.body == {"job": "j"}


class Impatient(FakeRuntime):
    """Is told to stop at its third wait."""

    waits = 0

    def wait(self, timeout_s: float) -> None:
        super().wait(timeout_s)
        self.waits += 1
        self.stopping = self.waits == 3


@pytest.mark.parametrize("events_there", [0, 9], ids=["idle", "busy"])
def test_whoever_asks_for_figures_is_heard_between_two_looks_at_the_queue(events_there: int) -> None:
    """Only `wait` answers them: it is called each time, also when the queue itself was waited on."""
    workers = Workers(a=True)
    world, pusher = make(workers)
    del pusher
    world.jobs_queue.delete(*world.jobs_queue.receive(wait_s=0.0, most=1))
    for _ in range(events_there):
        world.jobs_queue.send({"job": "j"})
    looks = 0
    receive = world.jobs_queue.receive

    def look(*, wait_s: float, most: int) -> Any:
        nonlocal looks
        looks += 1
        assert looks <= 3, "nobody was heard meanwhile"
        return receive(wait_s=wait_s, most=most)

    world.jobs_queue.receive = look  # type: ignore[method-assign]  # a fake of a fake
    runtime = Impatient(world.clock)
    loop(world.service, runtime, endpoints=workers)
    assert (looks, runtime.waits) == (3, 3)
    assert world.jobs_queue.bodies() == []
