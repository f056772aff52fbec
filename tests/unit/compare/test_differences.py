"""What changed between two recordings: which way, how much, and what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.compare.made_up_pair import keep
from unstuck.compare.differences import CaseChange, Kind, compare, compare_runs, spread_text
from unstuck.compare.recorded import Recording, Run, read_recording
from unstuck.compare.recoveries import Recoveries
from unstuck.compare.screen import LINES_MAX, change_sheet
from unstuck.errors import UsageError

SUMMARY: Mapping[str, Any] = {
    "name": "deploy",
    "seed": 1,
    "version": "0.1.0",
    "budget_s": 10.0,
    "outcomes": {"ok": 2},
    "properties": [
        {"name": "effects", "verdict": "pass", "expected": True},
        {"name": "drains_cleanly", "verdict": "pass", "expected": False},
    ],
    "faults": [{"name": "kill", "fired": 1, "landed": 1, "problem": ""}],
    "jobs": [
        {"outcome": "ok", "allowed": True, "attempts": 1, "effects": [[2.0, True]],
         "stages": [[1.0, "inspect"], [1.5, "frames"], [2.0, "publish"]]},
    ],
    "processes": [{"role": "worker", "rss_bytes_max": 100 << 20}],
}  # fmt: skip

RUN = Run(
    title="deploy[grace_s=5]",
    verdict="pass",
    error=None,
    summary=SUMMARY,
    plan={"seed": 1, "case": {"grace_s": 5}},
    scenario="name: deploy\nbudget_s: 10\n",
    recoveries=Recoveries(claimed_s=(1.0, 1.2), ended_s=(2.0,)),
)


def changed(**facts: Any) -> Run:
    """The run with some facts of its summary replaced."""
    return replace(RUN, summary={**SUMMARY, **facts})


def kinds(change: CaseChange) -> dict[str, Kind]:
    return {one.what: one.kind for one in change.differences}


def test_the_same_again_has_changed_nothing() -> None:
    """Everything was compared, and nothing is told."""
    change = compare_runs(RUN, RUN)
    assert change.differences == ()
    assert change.circumstances == ()
    assert change.same > 8
    assert not change.worse


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (replace(RUN, verdict="fail"), "verdict"),
        (replace(RUN, verdict="inconclusive"), "verdict"),
        (
            changed(properties=[{"name": "effects", "verdict": "inconclusive", "expected": True}]),
            "property effects",
        ),
        (
            changed(properties=[{"name": "drains_cleanly", "verdict": "fail", "expected": False}]),
            "property drains_cleanly",
        ),
        (
            changed(faults=[{"name": "kill", "fired": 1, "landed": 0, "problem": "did not land"}]),
            "fault 0 kill",
        ),
        (
            changed(outcomes={"ok": 1, "lost": 1}, jobs=[{"outcome": "lost", "allowed": False}]),
            "jobs lost",
        ),
        (
            replace(RUN, recoveries=Recoveries(claimed_s=(2.0, 2.2), ended_s=(2.0,))),
            "recovery, claimed again",
        ),
        (changed(processes=[{"role": "worker", "rss_bytes_max": 200 << 20}]), "memory of worker"),
        (
            changed(jobs=[{"allowed": True, "attempts": 1, "effects": [[2.0, True]],
                           "stages": [[1.0, "inspect"], [2.5, "frames"], [3.0, "publish"]]}]),
            "stage inspect",
        ),
    ],
)  # fmt: skip
def test_what_is_worse_one_way_is_better_the_other(after: Run, what: str) -> None:
    """Verdict, properties, faults, outcomes, recovery, memory and stages, each alone."""
    assert kinds(compare_runs(RUN, after))[what] is Kind.WORSE
    assert kinds(compare_runs(after, RUN))[what] is Kind.BETTER


def test_more_attempts_and_deliveries_are_told_and_not_judged() -> None:
    """Properties judge them; the number alone depends on what was in flight."""
    jobs = [{**SUMMARY["jobs"][0], "attempts": 3, "effects": [[2.0, True], [2.1, False]]}]
    change = compare_runs(RUN, changed(jobs=jobs))
    assert kinds(change) == {"attempts": Kind.CHANGED, "effects again": Kind.CHANGED}
    assert not change.worse


def test_small_differences_are_none() -> None:
    """A fifth slower, or a tenth of a second, is what two runs of the same differ by."""
    assert not compare_runs(
        RUN, replace(RUN, recoveries=Recoveries(claimed_s=(1.1, 1.3), ended_s=(2.1,)))
    ).differences
    quick = replace(RUN, recoveries=Recoveries(claimed_s=(0.02,)))
    slow = replace(RUN, recoveries=Recoveries(claimed_s=(0.08,)))
    assert not compare_runs(quick, slow).differences


def test_what_differs_to_begin_with_is_told_apart() -> None:
    """Text, seed and version explain a change; they are none."""
    after = replace(
        RUN, scenario="name: deploy\nbudget_s: 20\n", summary={**SUMMARY, "seed": 2, "version": "0.2.0"}
    )
    change = compare_runs(RUN, after)
    told = {one.what: (one.before, one.after) for one in change.circumstances}
    assert told == {
        "scenario.yaml": ("budget_s: 10", "budget_s: 20"),
        "seed": ("1", "2"),
        "version": ("0.1.0", "0.2.0"),
    }
    assert not change.worse


def test_a_run_that_was_not_judged_is_told_in_one_line() -> None:
    """How it ended says all; that its properties judged nothing follows from it."""
    after = replace(RUN, verdict="error", error="no database")
    [one] = compare_runs(RUN, after).differences
    assert (one.kind, one.before, one.after) == (Kind.WORSE, "pass", "error (no database)")


def test_groups_are_compared_by_title(tmp_path: Path) -> None:
    """What only one of them has is named, and nothing in common is nothing to compare."""
    other = replace(RUN, title="other")
    one = Recording(folder=tmp_path, is_group=True, runs={RUN.title: RUN, "other": other})
    two = Recording(folder=tmp_path, is_group=True, runs={RUN.title: RUN, "third": RUN})
    change = compare(one, two)
    assert [case.title for case in change.cases] == [RUN.title]
    assert (change.only_before, change.only_after) == (("other",), ("third",))
    nothing = compare(one, Recording(folder=tmp_path, is_group=True, runs={}))
    assert nothing.why_not == "they have no case in common."


def test_different_scenarios_are_not_compared(tmp_path: Path) -> None:
    """Apples and pears."""
    other = replace(RUN, title="x", summary={**SUMMARY, "name": "x"})
    one = Recording(folder=tmp_path, is_group=False, runs={RUN.title: RUN})
    two = Recording(folder=tmp_path, is_group=False, runs={"x": other})
    assert compare(one, two).why_not == "deploy and x are different scenarios."


def test_the_worst_case_comes_first_and_the_screen_ends(tmp_path: Path) -> None:
    """Many changed cases fit one screen; what is left out is counted."""
    slow = replace(RUN, recoveries=Recoveries(claimed_s=(9.0,), ended_s=(9.0,)))
    before = {f"case-{number:02}": RUN for number in range(30)}
    after = {name: replace(slow, title=name) for name in before}
    after["case-17"] = replace(RUN, title="case-17", verdict="fail")
    change = compare(
        Recording(folder=tmp_path, is_group=True, runs=before),
        Recording(folder=tmp_path, is_group=True, runs=after),
    )
    text = change_sheet(change, ("a", "b")).plain()
    assert text.index("case-17") < text.index("case-00")
    assert "more; --json has all." in text
    assert len(text.splitlines()) < LINES_MAX + 15
    assert "WORSE  30 cases" in text


def test_spread_is_told_by_nearest_rank() -> None:
    """Median, 90th percentile and maximum."""
    assert spread_text([float(number) for number in range(1, 11)]) == "5.5 s (p90 9 s, max 10 s, 10 jobs)"
    assert spread_text([0.5]) == "0.5 s (1 job)"
    assert spread_text([]) == "none"


def test_a_recorded_run_is_read_back(tmp_path: Path) -> None:
    """With its recovery times, from its history."""
    recording = read_recording(keep(tmp_path, "before"), reports=tmp_path)
    [run] = recording.runs.values()
    assert not recording.is_group
    assert run.verdict == "pass"
    assert len(run.recoveries.claimed_s) == 3
    assert json.dumps(dict(run.settings["expect"]))


def test_what_another_version_wrote_is_refused(tmp_path: Path) -> None:
    """With the file and its format, before anything is compared."""
    folder = keep(tmp_path, "before")
    verdict = folder / "verdict.json"
    verdict.write_text(verdict.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(UsageError, match="format=9 is unknown"):
        read_recording(folder, reports=tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("verdict.json", '{"format": 1, "summary": ["x"]}', r"summary=\['x'\] must be an object"),
        ("group.json", '{"format": 1, "runs": ["x"]}', "runs: 'x' must be an object"),
    ],
)
def test_what_is_not_as_it_was_written_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    """A file that somebody has edited is a mistake of the user, and no bug of ours."""
    folder = keep(tmp_path, "before")
    (folder / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        read_recording(folder, reports=tmp_path)


def test_what_is_allowed_is_told_with_a_recovery() -> None:
    """As the scenario says it for that run; else the budget of the run."""
    slow = Recoveries(claimed_s=(3.0,), ended_s=(6.0,))
    after = replace(RUN, recoveries=slow, settings={"expect": {"recovery_within": {"claim_s": 2.5}}})
    told = {one.what: one.after for one in compare_runs(RUN, after).differences}
    assert told["recovery, claimed again"].endswith("x 2.7, of 2.5 s allowed")
    assert told["recovery, ended"].endswith("x 3, of 10 s allowed")
