"""Memory limits: a cgroup's, and the address space's."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.process.conftest import WITHIN_S, Recorder
from tests.process.kill_harness import groups_of
from unstuck.worlds.port import ProcessSpec, Restart
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process
MIB = 1024 * 1024


def allocating(programs: Path, log: Path, who: str, mebibytes: int, limit_mebibytes: int) -> ProcessSpec:
    return ProcessSpec(
        name="limited",
        role="limited",
        command=[sys.executable, str(programs / "allocate.py"), who, str(mebibytes)],
        environment={"PATH": os.environ["PATH"]},
        log=str(log),
        ready_line="ready",
        memory_limit_bytes=limit_mebibytes * MIB,
        restart=Restart(policy="never"),
    )


def wait_for_line(log: Path, text: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()


@pytest.fixture
def _cgroups(session: Session) -> None:
    if "memory_limit" not in session.capabilities():
        pytest.skip("no memory controller is writable here")


@pytest.mark.usefixtures("_cgroups")
def test_a_process_over_its_limit_is_killed_by_the_kernel(
    world: ProcessWorld, recorder: Recorder, programs: Path, tmp_path: Path
) -> None:
    """The process itself dies of SIGKILL, and its exit counts one kill for want of memory."""
    world.start(allocating(programs, tmp_path / "log", "main", 200, 64))
    end = recorder.wait("limited", "exit").data
    assert (end["signal"], end["oom_kills"], end["expected"]) == ("SIGKILL", 1, False)
    start = recorder.of("limited", "start")[0].data
    assert (start["limit_bytes"], start["limit_kind"], start["how"]) == (64 * MIB, "cgroup", "exec")
    assert recorder.of("limited", "usage")[-1].data["rss_bytes_max"] >= 60 * MIB


@pytest.mark.usefixtures("_cgroups")
def test_a_child_over_the_limit_is_killed_alone(
    world: ProcessWorld, recorder: Recorder, programs: Path, tmp_path: Path
) -> None:
    """A descendant is charged too; its parent survives, and the kill is an event of resource use."""
    world.start(allocating(programs, tmp_path / "log", "child", 200, 64))
    usage = recorder.wait("limited", "usage", where=lambda event: event.data.get("oom_kills") == 1)
    assert usage.data["limit_kind"] == "cgroup"
    assert world.running("limited") == ["limited"]
    wait_for_line(tmp_path / "log", "child ended with -9")


@pytest.mark.usefixtures("_cgroups")
def test_a_process_below_its_limit_lives(
    world: ProcessWorld, recorder: Recorder, programs: Path, tmp_path: Path
) -> None:
    """What was allocated is seen in the events, and nobody is killed."""
    world.start(allocating(programs, tmp_path / "log", "main", 40, 256))
    usage = recorder.wait("limited", "usage", where=lambda event: event.data["rss_bytes_max"] > 40 * MIB)
    assert usage.data["oom_kills"] == 0
    world.stop("limited", grace_s=5)
    assert recorder.of("limited", "exit")[0].data["oom_kills"] == 0


@pytest.mark.usefixtures("_cgroups")
def test_an_entry_with_a_limit_is_executed(world: ProcessWorld, recorder: Recorder) -> None:
    """A limited entry is not forked: what it shares with the zygote would not be charged to it."""
    world.start(
        ProcessSpec(
            name="limited",
            role="limited",
            entry="tests.process.programs.entries:wait",
            argv=["--flag"],
            environment={"PATH": os.environ["PATH"]},
            ready_line="ready --flag",
            memory_limit_bytes=256 * MIB,
        )
    )
    assert recorder.of("limited", "start")[0].data["how"] == "exec"


@pytest.mark.usefixtures("_cgroups")
def test_the_group_goes_with_the_process(
    session: Session, world: ProcessWorld, programs: Path, tmp_path: Path
) -> None:
    """While it runs there is one memory group, after its stop none."""
    identity = session.folder.name.rpartition("-")[2]
    world.start(allocating(programs, tmp_path / "log", "main", 1, 64))
    assert [path.rpartition("-")[2] for path in groups_of(identity)] == ["limited"]
    world.stop("limited", grace_s=0)
    assert groups_of(identity) == []


def test_without_cgroups_the_address_space_is_limited(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder, programs: Path, tmp_path: Path
) -> None:
    """Where no group can be made, the limit is RLIMIT_AS, says so, and shows as the process's own error."""
    monkeypatch.setenv("UNSTUCK_CGROUPS", "off")
    with Session(scratch=tmp_path) as session:
        assert session.capabilities() == {
            *("signals", "links", "processes", "memory_rlimit", "descriptor_limit", "liveness"),
            *({"disk_limit"} & session.capabilities()),  # where the kernel lets us mount
        }
        world = session.world("rlimit", on_event=recorder)
        world.start(allocating(programs, tmp_path / "log", "main", 400, 256))
        end = recorder.wait("limited", "exit").data
    assert (end["code"], end["signal"]) == (1, None)
    assert "oom_kills" not in end
    assert recorder.of("limited", "start")[0].data["limit_kind"] == "rlimit_as"
    assert "MemoryError" in (tmp_path / "log").read_text()


@pytest.mark.usefixtures("_cgroups")
def test_each_incarnation_is_counted_from_nothing(
    world: ProcessWorld, recorder: Recorder, programs: Path, tmp_path: Path
) -> None:
    """A process that is killed for want of memory twice tells one kill each time."""
    spec = allocating(programs, tmp_path / "log", "main", 200, 64)
    world.start(replace(spec, restart=Restart(delay_s=0, starts_max=2)))
    recorder.wait("limited", "exit", 2)
    assert [event.data["oom_kills"] for event in recorder.of("limited", "exit")] == [1, 1]
