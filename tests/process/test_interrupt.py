"""An interruption ends what is starting, at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from unstuck.clock import monotonic_ns
from unstuck.errors import ExitCode, Interrupted
from unstuck.worlds.port import ProcessSpec
from unstuck.worlds.process import proctree
from unstuck.worlds.process.session import Session

pytestmark = pytest.mark.process

AT_ONCE_S = 5.0  # what is waited for would take a minute, or for ever


def test_an_import_of_the_zygote_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the midst of the imports it ends, and takes its folder away."""
    begun = tmp_path / "begun"
    monkeypatch.setenv("UNSTUCK_TEST_BEGUN", str(begun))
    started_ns = monotonic_ns()
    session = Session(
        preload=("tests.process.programs.slow_import",), scratch=tmp_path, interrupted=begun.exists
    )
    with pytest.raises(Interrupted) as caught:
        session.prepare()
    session.close()
    assert caught.value.exit_code is ExitCode.INTERRUPTED
    assert (monotonic_ns() - started_ns) / 1e9 < AT_ONCE_S
    assert list(tmp_path.iterdir()) == [begun]


def test_a_process_that_is_not_ready_is_not_waited_for(tmp_path: Path) -> None:
    """It runs and does not get ready; the interruption raises, and closing takes it away."""
    begun = tmp_path / "begun"
    code = (
        f"import os, pathlib, threading; pathlib.Path({str(begun)!r}).write_text(str(os.getpid())); "
        "threading.Event().wait()"
    )
    spec = ProcessSpec(
        name="slow",
        role="slow",
        command=[sys.executable, "-c", code],
        environment={"PATH": os.environ["PATH"]},
        ready_line="never",
        ready_timeout_s=60,
    )
    with Session(
        scratch=tmp_path, interrupted=lambda: begun.exists() and begun.stat().st_size > 0
    ) as session:
        world = session.world("slow")
        started_ns = monotonic_ns()
        with pytest.raises(Interrupted):
            world.start(spec)
        process = proctree.read(int(begun.read_text()))
        with pytest.raises(Interrupted):
            world.start(spec)  # nor does anything new begin
    assert (monotonic_ns() - started_ns) / 1e9 < AT_ONCE_S
    assert process is None or proctree.wait_gone([process], 1)
    assert list(tmp_path.iterdir()) == [begun]
