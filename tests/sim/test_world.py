"""The sim world supervises its processes as the process world does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unstuck.errors import TargetError, UsageError
from unstuck.worlds.port import ProcessEvent, ProcessSpec, Restart
from unstuck.worlds.sim import SimProcess, SimWorld


class Stage:
    """A world, what it tells, and programs to run in it."""

    def __init__(self) -> None:
        self.events: list[ProcessEvent] = []
        self.world = SimWorld(1, self.events.append)
        self.did: list[str] = []
        self.world.programs = {"sleeper": self.sleeper, "careful": self.careful, "broken": self.broken}

    def sleeper(self, process: SimProcess, ready: Callable[[], None]) -> int:
        """Sleeps until it is killed, with a child that does the same."""
        child = self.world.fork(process.incarnation)
        self.world.green.spawn("child", lambda: self.world.green.sleep(1e6), owner=child)
        ready()
        try:
            self.world.green.sleep(1e6)
        finally:
            self.did.append("finally")
        return 0

    def careful(self, process: SimProcess, ready: Callable[[], None]) -> int:
        """Ends in good order a second after SIGTERM."""
        asked: list[str] = []
        bell = self.world.green.bell("SIGTERM")

        def on_signal(name: str) -> bool:
            asked.append(name)
            bell.ring()
            return True

        process.incarnation.on_signal = on_signal
        ready()
        bell.until(lambda: bool(asked), None)
        self.world.green.sleep(1)
        return 0

    def broken(self, process: SimProcess, ready: Callable[[], None]) -> int:
        raise RuntimeError("no such database")

    def start(self, name: str, entry: str, **given: Any) -> None:
        self.world.start(ProcessSpec(name=name, role="worker", entry=entry, **given))

    def of(self, phase: str) -> list[ProcessEvent]:
        return [event for event in self.events if event.phase == phase]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.world.close()
    assert not Path(stage.world.scratch).exists()


def test_a_process_is_started_and_ready(stage: Stage) -> None:
    """`start` returns when the program says that it is ready; its pid is one of its own."""
    stage.start("worker-1", "sleeper")
    assert [event.phase for event in stage.events] == ["start", "ready"]
    assert list(stage.world.running("worker")) == ["worker-1"]
    with pytest.raises(TargetError, match="is running already"):
        stage.start("worker-1", "sleeper")


def test_a_stop_within_the_grace_ends_in_good_order(stage: Stage) -> None:
    """The stop signal, the program's own end, no restart."""
    stage.start("worker-1", "careful")
    stage.world.stop("worker-1", grace_s=5)
    (left,) = stage.of("exit")
    assert (left.data["code"], left.data["signal"], left.data["expected"]) == (0, None, True)
    assert (left.data["grace_s"], left.data["took_s"]) == (5, 1.0)
    assert list(stage.world.running("worker")) == []


@pytest.mark.parametrize("grace_s", [0.25, 0])
def test_a_stop_kills_when_the_grace_is_over(stage: Stage, grace_s: float) -> None:
    """SIGKILL after the grace, to the moment; nothing of the program runs any more."""
    stage.start("worker-1", "careful")
    stage.world.stop("worker-1", grace_s=grace_s)
    (left,) = stage.of("exit")
    assert (left.data["signal"], left.data["took_s"]) == ("SIGKILL", grace_s)


def test_a_killed_process_leaves_no_finally_and_no_child_and_is_restarted(stage: Stage) -> None:
    """It comes back under its own name with another pid, after the declared pause."""
    stage.start("worker-1", "sleeper", restart=Restart(delay_s=2.0))
    life = stage.world.life_of("worker-1")
    assert life is not None
    (child,) = life.children
    pids = stage.world.signal("worker-1", "SIGKILL", "tree")
    assert (sorted(pids), stage.did, child.dead) == ([life.pid, child.pid], [], True)
    assert stage.world.wait_gone("worker-1", pids, 0)
    stage.world.scheduler.sleep(1.9)
    assert list(stage.world.running("worker")) == []
    stage.world.scheduler.sleep(0.2)
    reborn = stage.world.life_of("worker-1")
    assert reborn is not None
    assert reborn.pid not in pids
    assert stage.of("exit")[0].data["expected"] is True


def test_a_signal_to_the_newest_child_leaves_the_parent_alone(stage: Stage) -> None:
    """Scope `child`: who is asked for dies, and nobody else."""
    stage.start("worker-1", "sleeper")
    (pid,) = stage.world.signal("worker-1", "SIGKILL", "child")
    assert stage.world.wait_gone("worker-1", [pid], 0)
    assert list(stage.world.running("worker")) == ["worker-1"]
    assert list(stage.world.signal("worker-1", "SIGKILL", "child")) == []


def test_a_frozen_process_gets_its_signals_when_it_is_continued(stage: Stage) -> None:
    """SIGTERM waits for SIGCONT, as a kernel lets it."""
    stage.start("worker-1", "careful")
    stage.world.signal("worker-1", "SIGSTOP", "tree")
    stage.world.signal("worker-1", "SIGTERM")
    stage.world.scheduler.sleep(10)
    assert list(stage.world.running("worker")) == ["worker-1"]
    stage.world.signal("worker-1", "SIGCONT", "tree")
    stage.world.retire("worker-1")
    stage.world.scheduler.sleep(2)
    assert stage.of("exit")[0].data["code"] == 0


def test_a_program_that_dies_before_it_is_ready_does_not_start(stage: Stage) -> None:
    """`start` says so, and it is not tried again."""
    with pytest.raises(TargetError, match="'worker-1': died"):
        stage.start("worker-1", "broken")
    assert stage.of("exit")[0].data["problem"] == "RuntimeError: no such database"
    stage.world.scheduler.sleep(10)
    assert stage.of("restart") == []


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda s: s.start("x", "sleper"),
            "entry='sleper' is no program of the sim. Did you mean 'sleeper'?",
        ),
        (lambda s: s.world.signal("x", "SIGTREM"), "signal='SIGTREM' is no signal"),
        (lambda s: s.world.signal("x", "SIGTERM", "main "), "scope='main ' is unknown"),
    ],
    ids=["entry", "signal", "scope"],
)
def test_mistakes_are_one_line(stage: Stage, mistake: Callable[[Stage], object], message: str) -> None:
    """What is asked for by a wrong name is refused with the right one."""
    with pytest.raises(UsageError) as caught:
        mistake(stage)
    assert message in str(caught.value)
