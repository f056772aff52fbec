"""Wall clocks of their own for the processes of a world, and what is told where there can be none."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.process.conftest import Recorder
from unstuck.errors import CapabilityError
from unstuck.worlds.port import Clocks, ProcessSpec
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.wall_clock import Shim
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process

HOUR_S = 3600.0
SLACK_S = 600.0  # the machine may be busy; no test takes so long
WITHIN_S = 30.0


SHOWING = (
    "import time\nprint('ready', flush=True)\nwhile True: print(time.time(), flush=True); time.sleep(0.02)"
)


def showing(name: str, role: str) -> ProcessSpec:
    return ProcessSpec(
        name=name, role=role, command=[sys.executable, "-c", SHOWING], environment={}, ready_line="ready"
    )


@pytest.fixture
def clocked(world: ProcessWorld, library: Path) -> ProcessWorld:
    assert "clocks" not in world.capabilities
    world.prepare_clocks(["clocked"])
    assert "clocks" in world.capabilities
    return world


def until_read(world: ProcessWorld, name: str) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not world.clock_is_read(name):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_world_gives_clocks_to_the_roles_that_were_named(clocked: ProcessWorld) -> None:
    """A process of another role has none."""
    assert isinstance(clocked, Clocks)
    clocked.start(showing("one", "clocked"))
    clocked.start(showing("two", "other"))
    assert clocked.set_clock("one", offset_s=HOUR_S, drift_ppm=0)
    assert not clocked.set_clock("two", offset_s=HOUR_S, drift_ppm=0)
    until_read(clocked, "one")
    assert not clocked.clock_is_read("two")


def test_a_restarted_process_keeps_the_clock_of_its_name(clocked: ProcessWorld, recorder: Recorder) -> None:
    """A host whose clock is wrong does not mend it by starting a program again."""
    clocked.start(showing("one", "clocked"))
    clocked.set_clock("one", offset_s=HOUR_S, drift_ppm=0)
    clocked.signal("one", "SIGKILL")
    recorder.wait("one", "ready", 2)
    deadline_s, shown = time.monotonic() + WITHIN_S, list[str]()
    while not shown:
        assert time.monotonic() < deadline_s
        log = (clocked.scratch / "one.log").read_text(encoding="utf-8").rpartition("ready\n")[2]
        shown = log.splitlines()[:-1]  # the last may not be whole yet
        time.sleep(0.01)
    assert float(shown[0]) - time.time() == pytest.approx(HOUR_S, abs=SLACK_S)


def test_an_entry_with_a_clock_is_executed(clocked: ProcessWorld, recorder: Recorder) -> None:
    """A fork has loaded its libraries already: it would have no clock of its own."""
    entry = ProcessSpec(
        name="one", role="clocked", entry="tests.process.programs.entries:wait", ready_line="ready",
        environment={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    clocked.start(entry)
    assert recorder.of("one", "start")[0].data["how"] == "exec"


def test_without_a_compiler_there_are_no_clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install, and nothing was made."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with Session(scratch=tmp_path) as session, pytest.raises(CapabilityError) as caught:
        session.world("run").prepare_clocks(["worker"])
    assert "no C compiler on PATH (cc, gcc, clang). Install one" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_compiler_that_fails_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it said first of an error, and what is likely to be missing."""
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'x.c:1: error: no time.h' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(
        CapabilityError, match=r"cannot compile wall_clock\.c: x\.c:1: error: no time\.h\. Install"
    ):
        Shim(tmp_path / "shim").path()


def test_a_library_without_effect_is_no_capability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried on a process before anybody relies on it."""
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\n: > "$2"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(CapabilityError, match="preloading has no effect here"):
        Shim(tmp_path / "shim").path()
