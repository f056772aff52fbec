"""unstuck reproduce, in the sim: the list, both runs, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from unstuck import rundir
from unstuck.cli import main
from unstuck.cli.inputs import bundled, incident_of
from unstuck.errors import ExitCode

MINE = """
name: mine
summary: A deploy kills workers outright. Their jobs are taken back.
workload:
  - upload: {count: 4, every_s: 0.02}
faults:
  - when: {enters: active, stage: scenes, hold: true}
    rolling_replace: {role: worker, grace_s: 0}
budget_s: 15
expect: {every_job_terminal: {within_s: 15}}
before:
  defences_off: [lease_recovery]
  fails: [every_job_terminal]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_tells_each_incident(capsys: pytest.CaptureFixture[str]) -> None:
    """What happened, what was missing, what to run; without a name the list is what there is to say."""
    assert main(["reproduce", "--list"]) == ExitCode.PASS
    said = capsys.readouterr().out
    incidents = {name for path in bundled().values() if (name := incident_of(path)) is not None}
    for incident in incidents:
        assert f"unstuck reproduce {incident}\n" in said
    assert "191 videos stayed processing" in " ".join(said.split())
    assert main(["reproduce"]) == ExitCode.PASS
    assert capsys.readouterr().out == said


def test_an_incident_reproduces_at_any_size(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve jobs stuck without the defences, none with them; the folder has both runs and their page."""
    code = main(["reproduce", "deployment-resilience", "--jobs", "12", "--world", "sim", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert (code, data["verdict"]) == (ExitCode.PASS, "reproduced, and defended")
    assert data["runs"]["before"]["classes"] == {"stuck": 12}
    assert data["runs"]["after"]["classes"] == {"restarted": 12}
    assert data["again"] == "unstuck reproduce deployment-resilience --jobs 12 --world sim"
    latest = here / "reports" / "latest"
    names = {path.name for path in latest.iterdir()}
    assert names > {*rundir.GROUP_FILES, *rundir.REPRODUCED_FILES}
    again = latest / data["runs"]["before"]["folder"]
    assert main(["replay", str(again)]) == ExitCode.FAIL  # as on that day
    assert "12 active (12 stuck)" in capsys.readouterr().out


def test_a_file_of_ones_own_reproduces(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It needs no folder of incidents; the screen shows both side by side."""
    (here / "mine.yaml").write_text(MINE)
    asked = ["reproduce", "mine.yaml", "--world", "sim", "--emulator", "moto"]
    assert main(asked) == ExitCode.PASS
    said = capsys.readouterr().out
    assert "REPRODUCED, AND DEFENDED  mine" in said
    assert f"Again   unstuck {' '.join(asked)}\n" in said, "the same again, and not nearly"


def test_an_incident_that_does_not_happen_again_is_no_proof(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wrong defence is said to have been missing: exit code 3, and why."""
    (here / "mine.yaml").write_text(MINE.replace("[lease_recovery]", "[outbox]"))
    assert main(["reproduce", "mine.yaml", "--world", "sim"]) == ExitCode.INCONCLUSIVE
    assert "the incident did not happen again" in " ".join(capsys.readouterr().out.split())


def test_the_list_names_the_worlds_of_each_incident(capsys: pytest.CaptureFixture[str]) -> None:
    """Those in which it is not refused; where a connection is struck the sim is none of them."""
    assert main(["reproduce", "--list"]) == ExitCode.PASS
    worlds = re.findall(
        r"^  worlds +(.+)\n(?:.*\n)*?  run +unstuck reproduce (.+)$", capsys.readouterr().out, re.MULTILINE
    )
    told = {name: said for said, name in worlds}
    assert told["process-new-videos"] == told["critical-production-fixes"] == "processes, containers"
    assert told["deployment-resilience"] == "processes, containers, sim"


@pytest.mark.parametrize(
    ("name", "need"), [("process-new-videos", "links"), ("critical-production-fixes", "memory_limit")]
)
@pytest.mark.parametrize("command", ["reproduce", "run"])
def test_what_the_sim_cannot_do_is_refused_before_anything_starts(
    command: str, name: str, need: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the next step, exit code 2, and no folder."""
    assert main([command, name, "--world", "sim"]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{name}: needs {need}, which the world 'sim' cannot do. " in said.err
    assert ("Run `unstuck reproduce {name}`." if command == "reproduce" else "Leave --world out").format(
        name=name
    ) in said.err
    assert said.err.count("\n") == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deployment-resilienc"], "Did you mean 'deployment-resilience'?"),
        (["baseline"], "does not say what was missing on the day of an incident"),
        (["deployment-resilience", "--jobs", "0"], "--jobs"),
        (["deployment-resilience", "--jobs", "9999"], "Take a number from 1 to 2000"),
    ],
)
def test_what_cannot_be_reproduced_is_refused(
    words: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with nothing started and nothing left behind."""
    assert main(["reproduce", *words]) == ExitCode.USAGE
    assert said in capsys.readouterr().err
    assert not (here / "reports").exists()
