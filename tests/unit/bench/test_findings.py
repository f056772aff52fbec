"""The tables of docs/targets: what a cell says of the jobs of a run, and that no page lacks a row."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import findings
from bench.findings import BEGIN, END, PAGES, Finding, main, table
from unstuck.targets.ready import ready_targets, scenario_files

NO_CHILD = "does not apply: a worker has no process of its own for a job"


def job(outcome: str = "ok", **facts: Any) -> dict[str, Any]:
    return {"tag": "job", "state": "succeeded", "outcome": outcome, "attempts": 1, "rescued": None, **facts}


def finding(*jobs: dict[str, Any], **facts: Any) -> Finding:
    about: dict[str, Any] = {"target": "rq", "configuration": "defaults", "title": "t", "verdict": "pass"}
    return Finding(**{**about, "jobs": jobs, **facts})


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (job(), "1 ok"),
        (job("restarted", attempts=2), "1 restarted after 2 starts"),
        (job(state="failed"), "1 failed"),
        (job("restarted", state="failed", attempts=4), "1 failed after 4 starts"),
        (job("lost", state="active"), "1 lost"),
        (job("done_not_terminal", state="active"), "1 done not terminal"),
        (job("stuck", state="queued", attempts=0, rescued="never"), "1 stuck, never started (never)"),
        (job("stuck", rescued="rescued after 98.213 s"), "1 stuck (rescued after 98 s)"),
        (job("restarted", attempts=2, rescued="rescued after 1.1 s"), "1 restarted after 2 starts"),
    ],
)  # fmt: skip
def test_a_cell_says_what_became_of_a_job(one: dict[str, Any], told: str) -> None:
    """By class; by state where that says more; with its starts where they are not one."""
    assert finding(one).cell == told


def test_tags_are_told_apart() -> None:
    """A poison job and its neighbours; jobs of one kind are counted together."""
    mixed = finding(job(tag="poison", state="failed"), job(tag="healthy"), job(tag="healthy"))
    assert mixed.cell == "poison: 1 failed; healthy: 2 ok"


def test_a_table_has_a_column_for_each_configuration() -> None:
    """What cannot be done to a target says so instead of a verdict."""
    rows = [
        finding(job()),
        finding(job("lost"), configuration="reliable", verdict="fail"),
        finding(title="u", verdict="-", told="does not apply: it has no lease"),
        finding(title="u", configuration="reliable", verdict="inconclusive", told="worker-1 had no child"),
    ]
    assert table([row.case for row in rows]).splitlines() == [
        "| scenario | defaults | reliable |",
        "|---|---|---|",
        "| `t` | pass: 1 ok | **fail**: 1 lost |",
        f"| `u` | does not apply: it has no lease | {NO_CHILD} |",
    ]


def test_what_a_run_broke_is_the_class_of_its_jobs() -> None:
    """Of those that the promise forbids; else the property; nothing of a pass."""
    jobs = [
        job("lost", allowed=False),
        job("stuck", allowed=False),
        job("lost", allowed=False),
        job(allowed=True),
    ]
    assert finding(*jobs, verdict="fail", properties=["no_job_lost"]).broken == ("lost", "stuck")
    assert finding(job(), verdict="fail", properties=["terminal_is_final"]).broken == ("terminal_is_final",)
    assert finding(job("lost"), verdict="pass").broken == ()


def test_a_run_that_failed_with_good_jobs_says_by_what() -> None:
    """`fail: 6 ok` would be a riddle."""
    one = finding(job(), job(), verdict="fail", properties=["terminal_is_final"])
    assert one.case.cell == "2 ok; broken: `terminal_is_final`"
    assert (
        finding(job("lost", allowed=False), verdict="fail", properties=["no_job_lost"]).case.cell == "1 lost"
    )


def test_what_is_kept_is_read_and_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A matrix that was cut off goes on where it ended."""
    for configuration in ("defaults", "reliable"):
        folder = tmp_path / f"huey-{configuration}-baseline/run"
        folder.mkdir(parents=True)
        said = {
            "title": "baseline",
            "verdict": "pass",
            "summary": {"jobs": [job()], "reasons": [], "properties": []},
        }
        (folder / "verdict.json").write_text(json.dumps(said), encoding="utf-8")
    assert main(["--target", "huey", "--scenario", "baseline", "--reports", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["huey", "defaults", "baseline", "pass", "1", "ok"],
        ["huey", "reliable", "baseline", "pass", "1", "ok"],
    ]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--explore", "--scenario", "baseline"], "would drop the cases of all others"),
        ([], "would give old trials today's date"),
    ],
)
def test_what_is_not_whole_is_not_written(
    flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused before anything runs."""
    with pytest.raises(SystemExit) as caught:
        main(["--target", "huey", "--write", *flags])
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


def test_nothing_is_written_where_a_run_came_to_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pages stay as they are; with verdicts alone they are made."""
    ones = [finding(job()), finding(verdict="error", told="exit code 4")]
    written: list[list[Finding]] = []
    monkeypatch.setattr(findings, "_cases", lambda *_: list(ones))
    monkeypatch.setattr(findings, "_explorations", lambda *_: {})
    monkeypatch.setattr(findings, "_write", lambda _, found, __: written.append(found))
    assert main(["--target", "rq", "--explore", "--write"]) == 1
    assert "not written: 1 came to no verdict" in capsys.readouterr().out
    del ones[1]
    assert main(["--target", "rq", "--explore", "--write"]) == 0
    assert written == [ones]


@pytest.mark.parametrize(("code", "verdicts"), [(1, ["pass"]), (3, ["pass"]), (4, ["pass", "error"])])
def test_a_run_that_ended_before_its_last_case_is_told(
    code: int, verdicts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cases count, and that some lack; it is not kept as if it were whole."""

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        folder = Path(words[words.index("--reports") + 1]) / "run"
        folder.mkdir(parents=True)
        said = {
            "title": "baseline",
            "verdict": "pass",
            "summary": {"jobs": [job()], "reasons": [], "properties": []},
        }
        (folder / "verdict.json").write_text(json.dumps(said), encoding="utf-8")
        return subprocess.CompletedProcess(words, code, "", "it fell over")

    monkeypatch.setattr("bench.findings.subprocess.run", run)
    found = findings._run(tmp_path, ("huey", "defaults", "baseline"))
    assert [one.verdict for one in found] == verdicts
    assert found[-1].told == ("it fell over" if code == 4 else None)
    assert (tmp_path / "huey-defaults-baseline").exists() is (code != 4)


@pytest.mark.parametrize("target", sorted(ready_targets()))
def test_every_page_has_every_scenario(target: str) -> None:
    """A scenario or target that came later has to be run, and its row made."""
    text = (PAGES / f"{target}.md").read_text(encoding="utf-8")
    rows = text.partition(BEGIN)[2].partition(END)[0]
    for path in scenario_files():
        assert f"| `{path.stem}" in rows, path.stem
