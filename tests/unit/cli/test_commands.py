"""run, gate, replay and check over a campaign that starts nothing: what is chosen, written and returned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import unstuck.campaign
from tests.unit.cli.fake_campaign import FakeCampaign
from unstuck import rundir
from unstuck.cli import main
from unstuck.cli.inputs import bundled, incident_of
from unstuck.cli.interrupt import stopping
from unstuck.errors import ExitCode, UsageError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, without the marks of a CI server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def faked(monkeypatch: pytest.MonkeyPatch, **how: object) -> FakeCampaign:
    campaign = FakeCampaign(**how)  # type: ignore[arg-type]  # passed on as given
    monkeypatch.setattr(unstuck.campaign, "run_many", campaign)
    return campaign


def test_a_single_run_has_its_folder_its_screen_and_latest(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The base case, seed 1, every report; `latest` leads to it; the steps are on stderr."""
    campaign = faked(monkeypatch)
    code = main(["run", "baseline"])
    said = capsys.readouterr()
    assert campaign.calls[0]["seed"] == 1
    (folder,) = [path for path in (here / "reports").iterdir() if path.name != "latest"]
    assert {path.name for path in folder.iterdir()} == set(rundir.RUN_FILES)
    assert rundir.find_latest(Path("reports")) == Path("reports") / folder.name
    assert f"unstuck replay reports/{folder.name}" in said.out
    assert "running: SIGTERM to worker-1" in said.err
    assert code == json.loads((folder / "verdict.json").read_text())["exit_code"]


def test_several_cases_share_a_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a table of them all; each case is run once, however often it was named."""
    campaign = faked(monkeypatch, stuck=("sigterm-mid-job",))
    code = main(
        [
            "run",
            "sigterm-mid-job",
            "sigterm-mid-job[stage=frames]",
            "--case",
            "grace_s=0",
            "--case",
            "stage=frames",
        ]
    )
    assert code == ExitCode.FAIL
    assert [(case.case["stage"], case.case["grace_s"]) for case in campaign.cases] == [
        ("scenes", 0),
        ("frames", 5),
    ]
    latest = here / "reports" / "latest"
    assert set(rundir.GROUP_FILES) < {path.name for path in latest.iterdir()}
    assert len(json.loads((latest / "group.json").read_text())["runs"]) == 2
    assert "FAIL  2 runs: 2 fail" in capsys.readouterr().out


def test_pairwise_is_fewer_than_all(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a selection narrows both."""
    counts = []
    for words in (["--pairwise"], ["--all-cases"], ["--all-cases", "--case", "stage=frames"]):
        campaign = faked(monkeypatch)
        main(["run", "sigterm-mid-job", *words])
        counts.append(len(campaign.cases))
    assert 1 < counts[2] < counts[0] < counts[1]


def test_a_plan_starts_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And writes nothing."""
    campaign = faked(monkeypatch)
    for words in (["run", "sigterm-mid-job", "--plan"], ["gate", "--plan"]):
        assert main(words) == 0
        assert "Nothing was started." in capsys.readouterr().out
    assert campaign.calls == []
    assert list(here.iterdir()) == []


def test_a_run_is_replayed_as_it_was(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same case, seed and defences, in a new folder; also when the scenario's file has gone."""
    text = bundled()["sigterm-mid-job"].read_text()
    Path("mine.yaml").write_text(text)
    campaign = faked(monkeypatch)
    main(["run", "mine.yaml", "--case", "grace_s=0.5", "--seed", "9", "--defence-off", "fencing"])
    Path("mine.yaml").unlink()
    main(["replay", "latest"])
    assert campaign.cases[0].title == campaign.cases[1].title
    assert campaign.cases[0].faults == campaign.cases[1].faults
    for call in campaign.calls:
        assert (call["seed"], call["defences_off"]) == (9, ("fencing",))
    assert len(list(Path("reports").iterdir())) == 3


def test_a_run_is_checked_offline(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same verdict from the folder, from the history alone, and inconclusive when it is cut."""
    faked(monkeypatch, stuck=("baseline",))
    assert main(["run", "baseline"]) == ExitCode.FAIL
    capsys.readouterr()
    before = sorted(Path("reports").rglob("*"))
    assert main(["check", "latest"]) == ExitCode.FAIL
    assert "FAIL  baseline" in capsys.readouterr().out
    assert sorted(Path("reports").rglob("*")) == before
    raw = Path("reports/latest/history.jsonl").read_bytes()
    Path("history.jsonl").write_bytes(raw)
    assert main(["check", "history.jsonl"]) == ExitCode.FAIL
    assert "What the scenario says is not known" in capsys.readouterr().out
    Path("reports/latest/history.jsonl").write_bytes(raw[:-20])
    assert main(["check", "latest"]) == ExitCode.INCONCLUSIVE
    said = capsys.readouterr().out
    assert "is cut; read up to there" in said
    assert "this check differs" in " ".join(said.split())


def test_a_broken_history_is_a_usage_error(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the line that is wrong."""
    Path("history.jsonl").write_text('{"i": 0}\n')
    assert main(["check", "history.jsonl"]) == ExitCode.USAGE
    assert "history.jsonl:1: t is missing" in capsys.readouterr().err


def test_the_gate_begins_with_the_base_case_of_every_scenario(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then one more of each in turn: a budget that is cut short has something of every scenario."""
    campaign = faked(monkeypatch)
    main(["gate", "worker-killed", "sigterm-mid-job", "baseline", "--cases-max", "8"])
    names = [case.name for case in campaign.cases]
    assert names[:5] == ["worker-killed", "sigterm-mid-job", "baseline", "worker-killed", "sigterm-mid-job"]
    assert len(names) == 8


def test_what_a_time_budget_cuts_off_is_told(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many runs, and of which scenario nothing is known."""
    campaign = faked(monkeypatch, last=2)
    assert main(["gate", "worker-killed", "baseline", "--cases-max", "3", "--time-budget", "9"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert len(campaign.cases) == 3
    assert "2 of 3 runs left out: the time budget of 9 s was used up." in said
    assert "Nothing at all was run of baseline." in said


def test_the_gate_runs_what_the_policy_says(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exclusions are told and counted; files for CI are written; `latest` is the gate's folder."""
    Path("pyproject.toml").write_text(
        """
        [tool.unstuck]
        reports = "out"
        [tool.unstuck.gate]
        files = ["baseline", "sigterm-mid-job"]
        cases_max = 4
        time_budget_s = 50
        seed = 3
        exclude = [{scenario = "sigterm-mid-job", case = {grace_s = 0}, reason = "known, see issue 9"}]
        """
    )
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "step.md")
    Path("step.md").write_text("before\n")
    campaign = faked(monkeypatch)
    code = main(["gate", "--junit", "ci/junit.xml", "--summary", "ci/summary.md", "--jobs", "1"])
    said = capsys.readouterr().out
    assert len(campaign.cases) == 4
    assert campaign.cases[0].name == "baseline"
    assert not any(case.case.get("grace_s") == 0 for case in campaign.cases)
    call = campaign.calls[0]
    assert (call["time_budget_s"], call["jobs"], call["seed"]) == (50.0, 1, 3)
    assert "known, see issue 9" in said
    assert "cases_max is 4" in said
    assert f"{said.count('known, see issue 9')} excluded" in said
    latest = Path("out/latest")
    assert Path("ci/junit.xml").read_text() == (latest / "junit.xml").read_text()
    assert Path("ci/summary.md").read_text() == (latest / "summary.md").read_text()
    assert Path("step.md").read_text() == "before\n" + Path("ci/summary.md").read_text()
    suite = ET.parse("ci/junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert int(suite.get("skipped", "0")) == said.count("known, see issue 9")
    assert code == json.loads((latest / "group.json").read_text())["exit_code"]
    for run in json.loads((latest / "group.json").read_text())["runs"]:
        assert run["folder"] is None or (latest / run["folder"] / "report.html").exists()


def test_the_gate_takes_base_cases_first(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With less room than scenarios have cases, none is left out but those of incidents."""
    campaign = faked(monkeypatch)
    every_day = [name for name, path in bundled().items() if incident_of(path) is None]
    main(["gate", "--cases-max", str(len(every_day))])
    assert sorted(case.name for case in campaign.cases) == sorted(every_day)
    assert len(every_day) < len(bundled())


@pytest.mark.parametrize(
    ("exclude", "said"),
    [
        ('{scenario = "baselin", reason = "x"}', "Did you mean 'baseline'?"),
        ('{scenario = "baseline", case = {a = 1}, reason = "x"}', "'a' is not a parameter of this scenario"),
        ('{scenario = "baseline", reason = "x"}', "nothing is left to run"),
    ],
)  # fmt: skip
def test_a_slip_in_an_exclusion_is_told(
    exclude: str, said: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exclusion that excludes nothing, or everything, is no policy."""
    campaign = faked(monkeypatch)
    Path("pyproject.toml").write_text(f'[tool.unstuck.gate]\nfiles = ["baseline"]\nexclude = [{exclude}]\n')
    assert main(["gate"]) == ExitCode.USAGE
    assert said in capsys.readouterr().err
    assert campaign.calls == []


@pytest.mark.parametrize("words", [["run", "baseline"], ["gate", "baseline"]])
def test_reports_that_cannot_be_written_stop_all_before_it_starts(
    words: list[str], here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2."""
    campaign = faked(monkeypatch)
    Path("file").write_text("")
    assert main([*words, "--reports", "file/reports"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert said.endswith("cannot be written (Not a directory). Choose another with --reports DIR.\n")
    assert said.count("\n") == 1
    assert campaign.calls == []


def test_a_junit_file_that_cannot_be_written_stops_all_before_it_starts(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after two minutes of running."""
    campaign = faked(monkeypatch)
    Path("file").write_text("")
    assert main(["gate", "baseline", "--junit", "file/junit.xml"]) == ExitCode.USAGE
    assert "cannot be written" in capsys.readouterr().err
    assert campaign.calls == []


def test_no_empty_folder_stays_when_nothing_was_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign that refuses to start leaves the reports folder as it was."""

    def refuse() -> None:
        raise UsageError("the target does not start")

    faked(monkeypatch, before=refuse)
    assert main(["gate", "baseline"]) == ExitCode.USAGE
    assert list(Path("reports").iterdir()) == []


def test_a_package_that_is_missing_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the command that installs it; not as a bug."""
    for name in list(sys.modules):
        if name.startswith(("unstuck.targets.reference", "reference_service.settings")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic_settings", None)
    assert main(["run", "baseline"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "pip install 'unstuck[reference]'" in said


def test_ctrl_c_stops_keeps_and_says_130(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first signal lets the campaign end by itself; what was recorded has its reports."""
    faked(monkeypatch, before=lambda: os.kill(os.getpid(), signal.SIGINT))
    handler = signal.getsignal(signal.SIGINT)
    assert main(["run", "baseline"]) == ExitCode.INTERRUPTED
    assert signal.getsignal(signal.SIGINT) is handler
    verdict = json.loads(Path("reports/latest/verdict.json").read_text())
    assert (verdict["verdict"], verdict["exit_code"]) == ("interrupted", 130)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_leaves_at_once(number: signal.Signals) -> None:
    """Also while something does not want to stop."""
    program = (
        "import os, signal, threading, sys\n"
        "from unstuck.cli import interrupt\n"
        "interrupt.SAME_S = 0\n"
        "stop = threading.Event()\n"
        "with interrupt.stopping(stop):\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    assert stop.is_set()\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    print('still here')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert "healing faults and stopping every process" in done.stderr


def test_signals_close_together_are_one() -> None:
    """`timeout` tells its child and then the child's group: that must not cost the reports."""
    stop = threading.Event()
    with stopping(stop):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
    assert stop.is_set()


def test_a_step_summary_that_cannot_be_written_stops_all_before_it_starts(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A passed gate must not end as a usage error because of a variable."""
    campaign = faked(monkeypatch)
    Path("file").write_text("")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "file/summary.md")
    assert main(["gate", "baseline"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "GITHUB_STEP_SUMMARY" in said
    assert said.count("\n") == 1
    assert campaign.calls == []


@pytest.mark.parametrize("words", [["run", "baseline"], ["gate", "baseline"]])
@pytest.mark.parametrize("stuck", [(), ("baseline",)])
def test_a_disk_that_is_full_in_the_end_does_not_cost_the_verdict(
    words: list[str],
    stuck: tuple[str, ...],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The screen is shown, with a note; a pass becomes a usage error, a failure stays one."""
    faked(monkeypatch, stuck=stuck)

    def full(*_: object) -> None:
        raise UsageError("reports/: cannot be written (No space left on device).")

    monkeypatch.setattr(rundir, "point_latest", full)
    assert main(words) == (ExitCode.FAIL if stuck else ExitCode.USAGE)
    said = capsys.readouterr()
    assert ("FAIL" if stuck else "baseline") in said.out
    assert "note: reports/: cannot be written" in said.out


def test_reports_on_a_file_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line says that it is a file."""
    Path("file").write_text("")
    assert main(["run", "baseline", "--reports", "file"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert said == (
        "unstuck run: file: is a file, and reports need a folder. Choose another with --reports DIR.\n"
    )


def test_scenarios_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Every bundled one loads, has its summary, and is told in words."""
    assert main(["scenarios", "list"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name}  " in f"\n{said}" for name in bundled())
    assert main(["scenarios", "explain", "sigterm-mid-job", "--case", "grace_s=0"]) == 0
    said = capsys.readouterr().out
    assert "grace 0 s" in said
    assert "stage: scenes, inspect" in said
