"""A simulated run leaves no file behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from unstuck.clock import monotonic_ns, sleep
from unstuck.worlds.sim import SimWorld, scratch

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
GONE_WITHIN_S = 10.0
PROGRAM = """
import sys, threading
from unstuck.worlds.sim import SimWorld
world = SimWorld(1, lambda _: None)
(world.scratch / "file").write_text("x")
print(world.scratch, flush=True)
threading.Event().wait()
"""


def test_a_sim_that_is_killed_leaves_no_folder() -> None:
    """kill -9 in mid-run: what it had in memory or on a disk goes at once."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    with process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert (folder / "file").exists()
        process.send_signal(signal.SIGKILL)
    deadline_ns = monotonic_ns() + int(GONE_WITHIN_S * 1e9)
    while folder.parent.exists() and monotonic_ns() < deadline_ns:
        sleep(0.01)
    assert not folder.parent.exists()
    assert folder.parent.name.startswith("unstuck-sim-")


def test_worlds_of_one_process_share_a_folder_that_goes_with_the_last() -> None:
    """Closing one leaves the other's files alone."""
    one, other = SimWorld(1, lambda _: None), SimWorld(2, lambda _: None)
    assert one.scratch != other.scratch
    one.close()
    assert other.scratch.exists()
    other.close()
    assert not other.scratch.parent.exists()
    scratch.remove(other.scratch)  # again is fine


def test_there_is_no_folder_before_somebody_watches_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed, or gets no shell, in the midst of making it leaves nothing."""
    monkeypatch.setattr(scratch, "MEMORY", tmp_path)
    monkeypatch.setattr(scratch, "_roofs", [])
    there: list[Path] = []

    def none(*_: object, **__: object) -> None:
        there.extend(tmp_path.iterdir())
        raise OSError("no process for you")

    monkeypatch.setattr(subprocess, "Popen", none)
    with pytest.raises(OSError, match="no process"):
        scratch.make()
    assert [*there, *tmp_path.iterdir()] == []
