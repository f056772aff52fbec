"""The first screen of a real failure, run in the sim: what a reader takes from it is what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.cli import main
from unstuck.errors import ExitCode


def test_a_job_claimed_during_the_pause_waited_from_the_blow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stood for four seconds: nobody reads that it recovered in none."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", "worker-paused", "--world", "sim", "--defence-off", "fencing"]) == ExitCode.FAIL
    screen = capsys.readouterr().out
    assert "  recovery: 1 claimed while the fault lasted, 4.04 s after the blow\n" in screen
