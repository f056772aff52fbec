"""A scenario at another size: what follows the number of jobs, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.errors import UsageError
from unstuck.scaling import A_JOB_S, JOBS_MAX, scaled
from unstuck.scenario import Scenario
from unstuck.scenario_file import loads
from unstuck.scenario_writer import dump
from unstuck.targets.reference.names import catalogue

TEXT = """
name: many
summary: Many jobs, and one that is no video.
budget_s: 10
workload:
  - upload: {count: 6, every_s: 0.02}
  - upload: {count: 1, tag: odd, video: not-a-video.mp4}
faults:
  - when: {point: worker.stage.started, stage: captions, nth: 6}
    while: {active_jobs: ">=6"}
    rolling_replace: {role: worker}
  - when: {op: put_object, nth: 2}
    kill: {role: worker}
expect:
  every_job_terminal: {within_s: 12}
  outcomes:
    job: {exactly: 6, state: succeeded}
    odd: {exactly: 1, state: failed}
    succeeded: {at_least: 6}
    expired: {at_most: 0}
  no_job_lost: {}
"""


def scenario(text: str = TEXT) -> Scenario:
    return loads(text, Path("s.yaml"), catalogue()).base_case()


def test_what_was_the_number_of_jobs_is_the_new_one() -> None:
    """Of the largest group, in outcomes, triggers and conditions; other numbers are other numbers."""
    large = scaled(scenario(), 191)
    assert [upload.count for upload in large.workload] == [190, 1]
    assert large.expect["outcomes"] == {
        "job": {"exactly": 190, "state": "succeeded"},
        "odd": {"exactly": 1, "state": "failed"},
        "succeeded": {"at_least": 190},
        "expired": {"at_most": 0},
    }
    first, second = large.faults
    assert getattr(first.when, "nth", None) == 190
    assert first.condition is not None
    assert first.condition.number == 190
    assert getattr(second.when, "nth", None) == 2


def test_budgets_grow_with_the_jobs() -> None:
    """By the same for each that was added; fewer jobs take nothing away."""
    large = scaled(scenario(), 107)
    assert (large.budget_s, large.expect["every_job_terminal"]["within_s"]) == (
        10 + 100 * A_JOB_S,
        12 + 100 * A_JOB_S,
    )
    assert scaled(scenario(), 3).budget_s == 10


def test_one_job_is_no_number_to_look_for() -> None:
    """In a scenario with a single job a 1 means the first, and stays one."""
    text = TEXT.replace("count: 6", "count: 1").replace("nth: 6", "nth: 1")
    large = scaled(scenario(text.replace("  - upload: {count: 1, tag: odd, video: not-a-video.mp4}\n", "")
                            .replace("    odd: {exactly: 1, state: failed}\n", "")), 5)  # fmt: skip
    assert large.workload[0].count == 5
    assert getattr(large.faults[0].when, "nth", None) == 1


def test_it_can_be_written_and_replayed() -> None:
    """It belongs to no file: its run's folder gets a file of its own."""
    large = scaled(scenario(), 20)
    assert (large.text, large.case, large.source) == ("", {}, None)
    again = scenario(dump(large))
    assert (again.workload, again.expect, again.budget_s) == (large.workload, large.expect, large.budget_s)


@pytest.mark.parametrize("jobs", [1, JOBS_MAX + 1])
def test_a_number_that_leaves_no_group_or_is_too_large_is_refused(jobs: int) -> None:
    """The line says from where to where."""
    with pytest.raises(UsageError, match=f"Take a number from 2 to {JOBS_MAX}"):
        scaled(scenario(), jobs)
