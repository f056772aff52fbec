"""What commands say of runs in the sim: both clocks, and what cannot run there."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.report.made_up import recorded
from unstuck.cli import main
from unstuck.errors import ExitCode
from unstuck.report.run_page import run_html

QUICK = "worker-killed"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_has_one_length_with_its_clock(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` repeats what `run` said, and both tell virtual time from the time that somebody waited."""
    assert main(["run", QUICK, "--world", "sim"]) == ExitCode.PASS
    ran = capsys.readouterr().out.splitlines()[0]
    assert re.fullmatch(r"PASS  worker-killed\S*  [\d.]+ s \([\d.]+ s of virtual time\)", ran)
    assert main(["check", "latest"]) == ExitCode.PASS
    assert capsys.readouterr().out.splitlines()[0] == ran
    (here / "reports" / "latest" / "verdict.json").unlink()
    assert main(["check", "latest"]) == ExitCode.PASS
    alone = capsys.readouterr().out.splitlines()[0]
    assert re.fullmatch(r"PASS  worker-killed\S*  [\d.]+ s of virtual time", alone)


def test_a_real_run_has_the_length_that_it_was_given(here: Path) -> None:
    """In a line and on its page; one of the sim has its virtual time beside it."""
    _, line = recorded(here)
    assert line.summary is not None
    assert line.took == "4.25 s"
    told, kept = (replace(line, duration_s=each).took for each in (0.1346, 0.135))
    assert told == kept, "rounded as it is kept, whether it has been or not"
    virtual = replace(line, summary=replace(line.summary, in_sim=True, duration_s=50.7))
    assert virtual.took == "4.25 s (50.7 s of virtual time)"
    assert "took 4.25 s (50.7 s of virtual time)" in run_html(virtual)


def test_a_table_of_the_sim_says_whose_seconds_it_shows(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recovery is virtual there, and the last column is not."""
    assert main(["run", QUICK, "baseline", "--world", "sim"]) == ExitCode.PASS
    said = " ".join(capsys.readouterr().out.split())
    assert "In the sim recovery is in virtual time; what a run took is in yours." in said


@pytest.mark.parametrize(
    ("scenario", "defence", "note"),
    [
        (QUICK, "lease_recovery", "note: Defences off: lease_recovery."),
        ("worker-paused", "fencing", "note: Defences off: fencing. A failure is what this run is for."),
    ],
)
def test_a_failure_is_announced_where_the_scenario_guards_the_defence(
    scenario: str, defence: str, note: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elsewhere a defence that is off may well go unnoticed, and a pass is no surprise."""
    main(["run", scenario, "--world", "sim", "--defence-off", defence])
    assert note in capsys.readouterr().out.splitlines()
