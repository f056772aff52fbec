"""Claims: what is tried, what is kept, and the page that is made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bench.claims.page
from bench.campaign.totals import Campaign
from bench.claims import all_claims, trying
from bench.claims.claim import Claim, Finding
from bench.claims.make_video_operations import manual, recovery, success
from bench.claims.page import Kept, page, read
from bench.claims.runs import NothingJudgedError
from bench.commit import measured_at

HELD = Finding(verdict="held", figure="0 of 9 stuck", note="a | b", commit="abc")


def claim(name: str = "one", finding: Finding | None = HELD) -> Claim:
    def measure() -> Finding:
        if finding is None:
            raise NothingJudgedError("exit code 4")
        return finding

    return Claim(id=name, incident="some-day", says="All is well.", look="unstuck run x", measure=measure)


@pytest.fixture
def kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bench.claims.page, "KEPT", tmp_path / "claims.json")
    monkeypatch.setattr(bench.claims.page, "PAGE", tmp_path / "claims.md")
    return tmp_path


def test_a_page_tells_each_claim_with_its_finding() -> None:
    """A bar in a text is no column; what was not tried is told as that."""
    text = page({"one": Kept(finding=HELD, date="2026-01-02")}, [claim(), claim("two")])
    assert "| All is well. | **held** | 0 of 9 stuck | a \\| b | 2026-01-02 | `abc` |" in text
    assert "| All is well. | not measured yet | - | - | - | - |" in text
    assert "## [some-day](incidents/some-day.md)" in text


def test_the_command_that_measures_a_claim_stands_before_the_one_for_a_look() -> None:
    """A look at one run of nine does not show what nine showed; where there is none, this one stays."""
    text = page({}, [claim(), replace(claim("two"), look="")])
    lines = ["```shell", "python -m bench claims --only one", "  unstuck run x"]
    assert "\n".join([*lines, "python -m bench claims --only two", "```"]) in text


def test_every_figure_of_the_sim_says_so() -> None:
    """A reader who runs the command without the flag would see another one."""
    kept = read()
    for one in all_claims():
        told = kept[one.id].finding
        assert ("--world sim" not in one.look) or "sim" in told.figure + told.note, one.id


def test_what_is_not_tried_again_keeps_its_finding(
    kept_here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--only` tries one; without `--write` nothing is kept; a claim that is gone takes its finding along."""
    claims = [claim("one"), claim("two", Finding(verdict="refuted", figure="9 of 9"))]
    assert trying.main(["--only", "one"], claims) == 0
    assert not list(kept_here.iterdir())
    assert trying.main(["--write"], claims) == 0
    assert trying.main(["--only", "two", "--write"], claims) == 0
    assert {name: one.finding.verdict for name, one in read().items()} == {"one": "held", "two": "refuted"}
    (kept_here / "claims.md").unlink()
    assert trying.main(["--page"], claims[1:]) == 0
    assert set(read()) == {"two"}
    assert "9 of 9" in (kept_here / "claims.md").read_text()
    assert "two                          refuted            9 of 9" in capsys.readouterr().out


def test_a_claim_that_could_not_be_tried_keeps_what_was_found_before(
    kept_here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A harness error is no finding: exit code 1, and the reason is told."""
    trying.main(["--write"], [claim()])
    assert trying.main(["--write"], [claim(finding=None)]) == 1
    assert read()["one"].finding == HELD
    assert "could not be tried: exit code 4" in capsys.readouterr().out


def test_the_claims_of_every_incident_are_found() -> None:
    """By the modules that lie there; each has a name of its own."""
    ids = [one.id for one in all_claims()]
    assert len(ids) == len(set(ids))
    assert {"deploy-191", "draining-alone", "recovery-at-start-up"} <= set(ids)


def campaign(**facts: Any) -> Campaign:
    usual: dict[str, Any] = {
        "date": "2026-01-02", "commit": "abc", "world": "processes", "seed": 1, "factor": 30.0, "run_s": 9.0,
        "runs": 400, "failed_runs": 0, "broken": {}, "unjudged_runs": 2, "missed_runs": 1,
        "faults_landed": 800, "jobs": 1300, "excluded": {"its client cancelled it": 300}, "valid": 1000,
        "valid_without_fault": 100, "succeeded": 1000, "failures": {}, "classes": {"ok": 1300}, "bad": 0,
        "manual": 0, "hit": 500, "recovered": 500, "recovery_median_s": 1.0, "recovery_p99_s": 9.0,
        "recovery_max_s": 9.5,
    }  # fmt: skip
    return Campaign(**{**usual, **facts})


SIM = campaign(world="sim", factor=1.0, recovery_p99_s=200.0)


def test_the_rate_of_a_campaign_says_what_it_supports_and_what_not() -> None:
    """1000 good jobs support 99.7 %; 99.9 % would take three times as many, which were planned."""
    found = success(campaign())
    assert (found.verdict, found.commit) == ("held", "abc")
    assert (
        found.figure == "100.00% (1000 of 1000 valid jobs); by the bounds at least 99.70% and at most 100.00%"
    )
    assert "10% of the valid ones in runs without a fault" in found.note
    assert "2 were not judged" in found.note
    assert found.note.startswith("1000 of 3000 planned valid jobs: cut short. ")
    assert found.note.endswith("99.9 % is undecided; 2995 valid jobs without a failure support it.")


def test_one_failure_in_a_small_campaign_refutes_nothing() -> None:
    """38 of 39 is what a service of 99 % shows one time in three."""
    small = campaign(valid=39, succeeded=38, failures={"failed: crashed": 1}, hit=17, recovered=16)
    assert {success(small).verdict, manual(small).verdict, recovery(small, SIM).verdict} == {"undecided"}
    assert recovery(campaign(), campaign(world="sim", factor=1.0, hit=1, recovered=1)).verdict == "undecided"


def test_no_percentile_is_told_of_a_handful_of_recoveries() -> None:
    """One job has no p99."""
    figure = recovery(campaign(), campaign(world="sim", factor=1.0, hit=1, recovered=1)).figure
    assert figure.endswith("1 of 1, at most 0.2 minutes, of too few for percentiles")


def test_a_broken_promise_refutes_what_is_claimed_of_a_campaign() -> None:
    """Whatever the shares are."""
    broken = campaign(failed_runs=1, broken={"effects": 1})
    assert {success(broken).verdict, manual(broken).verdict, recovery(broken, SIM).verdict} == {"refuted"}
    assert recovery(campaign(), campaign(world="sim", factor=1.0, failed_runs=1)).verdict == "refuted"


def test_who_failed_wrongly_needs_somebodys_hand() -> None:
    """As who is stuck does; of them not a single one is allowed."""
    assert manual(campaign()).verdict == "held"
    assert manual(campaign(succeeded=980, failures={"failed: crashed": 20})).verdict == "refuted"
    assert manual(campaign(bad=1)).verdict == "refuted"
    assert success(campaign(succeeded=980, failures={"failed: crashed": 20})).figure.endswith(
        "20 failed: crashed"
    )


def test_recovery_within_minutes_can_be_missed() -> None:
    """11 s of a run are more than five minutes of production; the sim's are counted as they are."""
    assert recovery(campaign(), SIM).verdict == "held"
    assert recovery(campaign(), campaign(factor=1.0, recovery_p99_s=301.0)).verdict == "undecided"
    assert recovery(campaign(), campaign(factor=1.0, recovery_median_s=301.0)).verdict == "refuted"
    late = recovery(campaign(recovery_p99_s=11.0), SIM)
    assert late.verdict == "undecided"
    assert "p99 11.0 s (x 30: 5.5 minutes)" in late.figure
    assert "p99 3.3 minutes" in late.figure
    assert recovery(campaign(recovered=430), SIM).verdict == "refuted"


def test_stale_figures_are_listed_with_why(
    kept_here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the command runs and what the claim watches besides; nothing is tried."""
    asked: list[list[str]] = []

    def stale(commit: str, paths: list[str]) -> str | None:
        asked.append(list(paths))
        return f"changed since {commit}"

    look = "unstuck run told-apart --defence-off kill_evidence"
    one = replace(claim(), look=look, watches=("bench/campaign",))
    trying.main(["--write"], [one])
    monkeypatch.setattr(trying, "stale", stale)
    assert trying.main(["--stale"], [one, claim("two")]) == 1
    told = capsys.readouterr().out.splitlines()[1:]
    assert [line.split(maxsplit=1) for line in told] == [
        ["one", "changed since abc"],
        ["two", "not measured yet"],
    ]
    assert asked[0][0].endswith("told-apart.yaml")
    assert asked[0][-1] == "bench/campaign"
    assert any(path.startswith("reference_service/") for path in asked[0])


def test_a_finding_is_kept_with_the_commit_of_its_measurement(kept_here: Path) -> None:
    """The one at hand, unless what it tells of was measured at another."""
    trying.main(["--write"], [claim(finding=replace(HELD, commit=""))])
    assert read()["one"].finding.commit == measured_at()
