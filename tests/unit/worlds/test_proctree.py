"""Snapshots of the process table."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from unstuck.worlds.process import proctree
from unstuck.worlds.process.proctree import Process


def made(pid: int, parent: int, started: int = 0) -> Process:
    return Process(pid, parent, pid, pid, "S", started)


def test_descendants_come_parents_first_and_branches_can_be_cut() -> None:
    """Everybody below the root, without the branches that are named."""
    table = {pid: made(pid, parent) for pid, parent in [(2, 1), (3, 2), (4, 3), (5, 2), (6, 1), (7, 6)]}
    pids = [process.pid for process in proctree.descendants(1, table)]
    assert set(pids) == {2, 3, 4, 5, 6, 7}
    assert pids.index(2) < pids.index(3) < pids.index(4)
    assert {process.pid for process in proctree.descendants(1, table, without=[3, 6])} == {2, 5}
    assert proctree.descendants(9, table) == []


def test_our_own_line_is_right() -> None:
    """Pid, parent, group and session of this process are read as the kernel has them."""
    own = proctree.read(os.getpid())
    assert own is not None
    assert own[:4] == (os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0))
    assert own.alive
    assert proctree.snapshot()[os.getpid()].started == own.started


def test_a_name_with_brackets_does_not_confuse() -> None:
    """The program's name may hold spaces and brackets."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    child = subprocess.Popen(["bash", "-c", "exec -a ') R 1 2 3' sleep 60"])
    try:
        process = proctree.read(child.pid)
        assert process is not None
        assert process.parent == os.getpid()
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not installed")
def test_ps_says_the_same_as_proc() -> None:
    """Where there is no /proc the table comes from ps: parents, groups and states agree."""
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        told, read = proctree.parse_ps(proctree._run_ps())[child.pid], proctree.read(child.pid)
        assert read is not None
        assert told[:3] == read[:3]
        assert told.alive
        assert told.started > 1_600_000_000
    finally:
        child.kill()
        child.wait()


def test_a_zombie_is_gone() -> None:
    """A process that has ended counts as gone before its parent has collected it."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = proctree.read(child.pid)
    assert process is not None
    assert proctree.wait_gone([process], 20)
    assert proctree.read(child.pid) is not None  # nobody has collected it yet
    assert not proctree.send(process, signal.SIGTERM)
    child.wait()


def test_another_holder_of_a_pid_gets_no_signal() -> None:
    """A process that was started at another time is not the one that was meant."""
    child = subprocess.Popen(["sleep", "60"])
    try:
        process = proctree.read(child.pid)
        assert process is not None
        earlier = process._replace(started=process.started - 1)
        assert not proctree.exists(earlier)
        assert not proctree.send(earlier, signal.SIGKILL)
        assert proctree.exists(process)
        assert proctree.send(process, signal.SIGKILL)
        assert child.wait(20) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()


def test_our_own_descendants_are_found_without_a_look_at_the_whole_table() -> None:
    """Children and theirs, parents first; a branch that is to be spared is left out, whole."""
    inner = "import os, time; os.fork(); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", inner], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.read(2) == b"\n\n"
            mine = [
                process for process in proctree.below_self() if child.pid in {process.pid, process.parent}
            ]
            assert [process.parent for process in mine] == [os.getpid(), child.pid]
            spared = {process.pid for process in proctree.below_self(without=[child.pid])}
            assert spared.isdisjoint(process.pid for process in mine)
        finally:
            for process in proctree.descendants(child.pid, proctree.snapshot()):
                proctree.send(process, signal.SIGKILL)
            child.kill()
