"""`unstuck compare`, and `unstuck gate` with a baseline, over made-up recordings; nothing is started."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import unstuck.campaign
import unstuck.cli.baseline
from tests.tooling.repository import blocks
from tests.unit.cli.fake_campaign import FakeCampaign
from tests.unit.compare.made_up_pair import keep
from unstuck.cli import main
from unstuck.compare.baseline import Machine, read_baseline, write_baseline
from unstuck.compare.slower import SAMPLES_MIN
from unstuck.errors import ExitCode

PAGE = Path("docs/compare.md")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, without the marks of a CI server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setattr(unstuck.cli.baseline, "measure_machine", machine)
    return tmp_path


def machine(jobs: int) -> Machine:
    """The same machine every time, whatever else this one does."""
    return Machine(processors=2, jobs=jobs, yardstick_ms=(10.0,))


def test_the_page_shows_what_is_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of docs/compare.md, run."""
    keep(here, "before")
    keep(here, "after", stuck=1)
    [block] = [one for one in blocks(PAGE, "console") if "unstuck compare" in one]
    command, expected = block.split("\n", 1)
    words = command.removeprefix("$ unstuck ").split()
    assert main(words) == ExitCode.FAIL
    assert counted(capsys.readouterr().out) == counted(expected)


def counted(text: str) -> str:
    """Without how much was the same: a new property changes that."""
    return re.sub(r"\d+ the same", "N the same", text.strip())


def test_the_same_run_twice_is_no_worse(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and the screen says that both were run alike."""
    keep(here, "before")
    keep(here, "after")
    assert main(["compare", "before", "after"]) == ExitCode.PASS
    said = capsys.readouterr().out
    assert "Run alike" in said
    assert "NO WORSE" in said


def test_programs_get_everything(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, with the same exit code."""
    keep(here, "before")
    keep(here, "after", stuck=1)
    assert main(["compare", "--json", "before", "after"]) == ExitCode.FAIL
    data = json.loads(capsys.readouterr().out)
    assert data["worse"] is True
    assert data["cases"][0]["differences"][0]["what"] == "verdict"


def test_a_run_and_a_group_are_not_compared(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input, as is a folder that is none."""
    monkeypatch.setattr(unstuck.campaign, "run_many", FakeCampaign())
    main(["gate", "sigterm-mid-job", "--cases-max", "2"])
    keep(here, "one")
    capsys.readouterr()
    assert main(["compare", "one", "latest"]) == ExitCode.USAGE
    assert "Give two runs, or two groups" in capsys.readouterr().err
    assert main(["compare", "none", "latest"]) == ExitCode.USAGE
    assert main(["compare", "latest", "latest"]) == ExitCode.PASS


def test_different_scenarios_are_inconclusive(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing can be compared: 3."""
    monkeypatch.setattr(unstuck.campaign, "run_many", FakeCampaign())
    for name in ("baseline", "worker-killed"):
        main(["run", name])
    first, second = sorted(path for path in (here / "reports").iterdir() if path.name != "latest")
    assert main(["compare", str(first), str(second)]) == ExitCode.INCONCLUSIVE
    assert "different scenarios" in capsys.readouterr().out


# --- the baseline of a gate

GATE = ["gate", "sigterm-mid-job", "--cases-max", "2", "--jobs", "1"]


def recorded_baseline(monkeypatch: pytest.MonkeyPatch, *, gates: int = SAMPLES_MIN) -> Path:
    """The baseline of so many gates."""
    monkeypatch.setattr(unstuck.campaign, "run_many", FakeCampaign())
    for _ in range(gates):
        assert main([*GATE, "--write-baseline", "baseline.json"]) == ExitCode.PASS
    return Path("baseline.json")


def scale(path: Path, factor: float) -> None:
    """Multiplies every time in the file: the gate looks slower by the inverse."""
    baseline = read_baseline(path)
    for key, values in baseline.samples.items():
        baseline = type(baseline)(
            machine=baseline.machine,
            samples={**baseline.samples, key: tuple(value * factor for value in values)},
        )
    write_baseline(path, baseline)


def test_gates_write_a_baseline_and_are_held_against_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As before is a pass, told with how much was judged."""
    path = recorded_baseline(monkeypatch)
    assert {len(values) for values in read_baseline(path).samples.values()} == {SAMPLES_MIN}
    assert main([*GATE, "--baseline", "baseline.json"]) == ExitCode.PASS
    assert "4 recovery times judged, as before" in capsys.readouterr().out


def test_twice_as_slow_fails_the_gate(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After it was measured again, in every report, though each run kept its promises."""
    scale(recorded_baseline(monkeypatch), 0.5)
    campaign = FakeCampaign()
    monkeypatch.setattr(unstuck.campaign, "run_many", campaign)
    assert main([*GATE, "--baseline", "baseline.json"]) == ExitCode.FAIL
    said = capsys.readouterr().out
    assert "slower than before: sigterm-mid-job" in said
    assert "measured again" in said
    assert len(campaign.cases) == 2 + 2 * 3
    group = json.loads((here / "reports" / "latest" / "group.json").read_text())
    assert [row["verdict"] for row in group["runs"]].count("fail") == 1
    assert "slower than before" in (here / "reports" / "latest" / "junit.xml").read_text()


def test_the_policy_may_name_the_baseline(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Relative to its own file; to write one, it need not be there yet."""
    Path("pyproject.toml").write_text('[tool.unstuck]\nbaseline = "baseline.json"\n')
    assert main(GATE) == ExitCode.USAGE
    assert "--write-baseline" in capsys.readouterr().err
    recorded_baseline(monkeypatch)
    assert main(GATE) == ExitCode.PASS
    assert "judged, as before" in capsys.readouterr().out


def test_too_few_samples_are_no_pass(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inconclusive: nothing was judged, and the screen says of what there is too little."""
    recorded_baseline(monkeypatch, gates=2)
    assert main([*GATE, "--baseline", "baseline.json"]) == ExitCode.INCONCLUSIVE
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "fewer than 5 samples of sigterm-mid-job" in said


def test_a_case_that_the_baseline_lacks_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It passes with the others, and is said not to be judged."""
    recorded_baseline(monkeypatch)
    assert (
        main(["gate", "sigterm-mid-job", "--cases-max", "3", "--baseline", "baseline.json"]) == ExitCode.PASS
    )
    assert "NOT judged, it does not know sigterm-mid-job" in capsys.readouterr().out


def test_to_write_and_to_hold_at_once_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is slower would become the norm."""
    words = ["--baseline", "a.json", "--write-baseline", "a.json"]
    assert main([*GATE, *words]) == ExitCode.USAGE
    assert "would become the norm" in capsys.readouterr().err
