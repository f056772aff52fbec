"""What every kind of dependency promises, whichever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.dependencies.clients import SAMPLES, Sample, url_of
from tests.conformance.dependencies.conftest import Open
from tests.process.conftest import Recorder
from tests.process.listening import LOOPBACK, LOOPBACK_6, listening
from unstuck.errors import TargetError
from unstuck.targets.dependencies import KINDS, Dependency, Wanted, open_dependency
from unstuck.worlds.process import proctree
from unstuck.worlds.process.ports import is_answered
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process
READY_WITHIN_S = 90.0  # RabbitMQ takes 4 s of CPU

every_kind = pytest.mark.parametrize(
    "sample",
    [
        pytest.param(
            sample, id=sample.kind, marks=pytest.mark.skipif(bool(sample.lacking), reason=str(sample.lacking))
        )
        for sample in SAMPLES
    ],
)


def opened(start: Open, sample: Sample, name: str = "dep") -> Dependency:
    return start(sample.kind, name, **sample.options)


def test_every_kind_is_tried() -> None:
    """A kind that is added is held to the same promises."""
    assert {sample.kind for sample in SAMPLES} == set(KINDS)


@every_kind
def test_a_kill_loses_nothing_that_was_acknowledged(
    sample: Sample, start: Open, world: ProcessWorld, recorder: Recorder
) -> None:
    """After SIGKILL of its whole tree the supervisor starts it again on the same port and data."""
    dependency = opened(start, sample)
    sample.client.write(dependency, "before")
    assert world.signal("dep", "SIGKILL", "tree")
    exit_of = recorder.wait("dep", "exit")
    assert (exit_of.data["signal"], exit_of.data["expected"]) == ("SIGKILL", True)
    recorder.wait("dep", "ready", 2, within_s=READY_WITHIN_S)
    assert sample.client.has(dependency, "before")
    sample.client.write(dependency, "after")
    assert sample.client.has(dependency, "after")


@every_kind
def test_a_stop_and_another_start_lose_nothing(sample: Sample, start: Open, world: ProcessWorld) -> None:
    """What is stopped, as by a fault that lasts, comes back by its spec on the same port and data."""
    dependency = opened(start, sample)
    sample.client.write(dependency, "before")
    world.stop("dep", grace_s=10)
    assert not is_answered(dependency.host, dependency.port)
    world.start(dependency.spec)
    assert sample.client.has(dependency, "before")


@every_kind
def test_it_is_a_role_of_its_own_and_tells_how_to_reach_it(
    sample: Sample, start: Open, world: ProcessWorld
) -> None:
    """Faults find it by its name; templates get its address, or that of a link before it."""
    dependency = opened(start, sample, "somewhere")
    assert world.running("somewhere") == ["somewhere"]
    values = dependency.values("127.0.0.1", 1234)
    assert (values["host"], values["port"], values["url"]) == (
        "127.0.0.1",
        "1234",
        dependency.url("127.0.0.1", 1234),
    )
    assert ":1234" in values["url"]
    assert all(isinstance(value, str) for value in values.values())
    named = {"url", "host", "port", *KINDS[dependency.kind].VALUES}
    assert set(dependency.values(dependency.host, dependency.port)) == named


@every_kind
def test_an_end_of_its_own_is_unexpected(
    sample: Sample, start: Open, world: ProcessWorld, recorder: Recorder
) -> None:
    """When it dies and nobody of ours killed it, the history says so, and it is started again."""
    opened(start, sample)
    pid = recorder.wait("dep", "start").data["pid"]
    process = proctree.read(pid)
    assert process is not None
    proctree.send(process, 9)
    assert recorder.wait("dep", "exit").data["expected"] is False
    recorder.wait("dep", "ready", 2, within_s=READY_WITHIN_S)


@every_kind
def test_it_listens_on_the_loopback_only(sample: Sample, start: Open, world: ProcessWorld) -> None:
    """Every listening socket of its whole tree is bound to 127.0.0.1."""
    opened(start, sample)
    below = proctree.descendants(world.guardian_pid, proctree.snapshot())
    found = listening(process.pid for process in below)
    assert LOOPBACK in set().union(*found.values()) <= {LOOPBACK, LOOPBACK_6}


@every_kind
def test_two_runs_do_not_see_each_other(sample: Sample, session: Session, tmp_path: Path) -> None:
    """Two worlds with a dependency of one name have two servers, and nothing stays of either."""
    worlds = [session.world("left"), session.world("right")]
    wanted = Wanted(name="dep", kind=sample.kind, options=sample.options)
    left, right = (
        open_dependency(wanted, world=one, session=session, folder=tmp_path / str(number))
        for number, one in enumerate(worlds)
    )
    sample.client.write(left, "mine")
    assert sample.client.has(left, "mine")
    assert not sample.client.has(right, "mine")
    guardians = [one.guardian_pid for one in worlds]
    below = [p for pid in guardians for p in proctree.descendants(pid, proctree.snapshot())]
    for one in worlds:
        one.close()
    assert [process for process in below if proctree.exists(process)] == []
    assert not any(one.scratch.exists() for one in worlds)
    assert not any(is_answered(one.host, one.port) for one in (left, right))
    assert url_of(left) != url_of(right)


@every_kind
def test_a_machine_without_it_is_one_line(
    sample: Sample, start: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to install is said, and nothing is started."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    sample.hide(monkeypatch)
    with pytest.raises(TargetError) as caught:
        start(sample.kind, **(sample.options if sample.missing is None else sample.missing))
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"dependency 'dep' ({sample.kind}): ")
    assert KINDS[sample.kind].INSTALL in text
