"""A process elsewhere that shares the fate of its stand-in; here one that the test itself has started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.process.conftest import Recorder
from unstuck import clock
from unstuck.worlds.process import companion, proctree
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.wire import Launch
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process
WITHIN_S = 10.0


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """With a child, in no tree of Unstuck's."""
    script = "import os, signal, time; os.fork(); print(flush=True); time.sleep(300)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, process_group=0) as one:
        assert one.stdout is not None
        one.stdout.readline()
        yield one
        os.killpg(one.pid, 9)


@pytest.fixture
def stand_in(world: ProcessWorld, server: subprocess.Popen[bytes]) -> Launch:
    folder = world.scratch / "dependency"
    folder.mkdir()
    file = folder / companion.FILE
    assert companion.tell(file, server.pid)
    launch = Launch(
        name="one",
        role="one",
        command=["sleep", "300"],
        environment={"PATH": os.environ["PATH"]},
        companion=str(file),
    )
    world.start(launch)
    return launch


def has_state(pid: int, states: str) -> bool:
    """Waits for it: a signal is acted on a moment later."""
    deadline_ns = clock.monotonic_ns() + int(WITHIN_S * 1e9)
    while (process := proctree.read(pid)) is None or process.state not in states:
        if clock.monotonic_ns() > deadline_ns:
            return False
        clock.sleep(0.005)
    return True


@pytest.mark.parametrize("scope", ["main", "group", "tree"])
def test_it_is_stopped_and_goes_on_with_its_stand_in(
    scope: Literal["main", "group", "tree"],
    stand_in: Launch,
    world: ProcessWorld,
    server: subprocess.Popen[bytes],
) -> None:
    """What a stand-in cannot hand on reaches both; the server's child is of the group and the tree."""
    (child,) = proctree.descendants(server.pid, proctree.snapshot())
    for name, states in (("SIGSTOP", "T"), ("SIGCONT", "SR")):
        got = world.signal("one", name, scope)
        assert server.pid in got
        assert has_state(server.pid, states)
        assert (child.pid in got) is (scope != "main")
        assert has_state(child.pid, states if scope != "main" else "SR")


@pytest.mark.parametrize("scope", ["main", "group", "tree"])
def test_what_a_stand_in_hands_on_is_not_sent_besides(
    scope: Literal["main", "group", "tree"],
    stand_in: Launch,
    world: ProcessWorld,
    server: subprocess.Popen[bytes],
) -> None:
    """A server that is asked twice to end may give up what it was finishing: this one is not asked at all."""
    world.signal("one", "SIGWINCH", scope)
    world.signal("one", "SIGUSR1", scope)  # ends whoever gets it; the stand-in, which hands on nothing
    # Its end kills the server, by SIGKILL: had it got SIGUSR1, that would have ended it.
    assert server.wait(WITHIN_S) == -9


def test_it_is_killed_with_its_stand_in_whoever_kills_that(
    stand_in: Launch, world: ProcessWorld, recorder: Recorder, server: subprocess.Popen[bytes]
) -> None:
    """Also when nobody of ours did."""
    pid = recorder.of("one", "start")[0].data["pid"]
    os.kill(pid, 9)
    assert server.wait(WITHIN_S) == -9
    assert recorder.wait("one", "exit").data["expected"] is False


def test_a_world_that_closes_kills_it(
    stand_in: Launch, world: ProcessWorld, server: subprocess.Popen[bytes]
) -> None:
    """As all of the run."""
    world.close()
    assert server.wait(WITHIN_S) == -9


def test_a_guardian_that_dies_takes_it_along(session: Session, server: subprocess.Popen[bytes]) -> None:
    """Who removes the run's folder finds the file in it."""
    world = session.world("dies")
    (world.quick / "dependency").mkdir()
    assert companion.tell(world.quick / "dependency" / companion.FILE, server.pid)
    os.kill(world.guardian_pid, 9)
    assert server.wait(WITHIN_S) == -9
    world.close()


def test_somebody_else_who_has_its_pid_by_now_is_left_alone(
    tmp_path: Path, server: subprocess.Popen[bytes]
) -> None:
    """The file says when it began; and one that is no file of ours names nobody."""
    file = tmp_path / companion.FILE
    file.write_text(f"{server.pid} 1\n")
    assert companion.of(file) is None
    assert companion.kill(file)
    file.write_text("nonsense")
    assert companion.of(file) is None
    assert not companion.tell(file, 2**22 + 1)
    assert server.poll() is None
