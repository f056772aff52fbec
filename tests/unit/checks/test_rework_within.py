"""rework_within: what was done before a crash is not done again, but for a part of it."""

from __future__ import annotations

from typing import Any

from tests.unit.checks.draft import Draft
from unstuck.checks import rework_within as subject
from unstuck.checks.port import Verdict


def worked(*attempts: range, terminal: bool = True, reached: bool = True) -> Draft:
    """A job that does these units of `frames` in its attempts, one after the other."""
    draft = Draft()
    draft.queued("j-1")
    for number, units in enumerate(attempts, 1):
        draft.claimed("j-1", attempt=number, token=number)
        for unit in units:
            facts: dict[str, Any] = {
                "point": "worker.unit.done",
                "stage": "frames",
                "position": unit,
                "attempt": number,
            }
            draft.add("point", "reached" if reached else "released", job="j-1", process="w", **facts)
        if number < len(attempts):
            draft.move("j-1", "active>queued", attempt=number, token=number)
    if terminal:
        draft.move("j-1", "active>succeeded", attempt=len(attempts), token=len(attempts))
    return draft


def test_nothing_done_or_nobody_who_did_it_again_is_inconclusive() -> None:
    """A job with one attempt has no rework, and without its test point nobody saw the work."""
    assert worked(range(1, 5)).check(subject, units_max=0).verdict is Verdict.INCONCLUSIVE
    unseen = worked(range(1, 5), range(1, 5), reached=False)
    assert unseen.check(subject, units_max=0).verdict is Verdict.INCONCLUSIVE


def test_without_a_bound_nothing_is_judged() -> None:
    """It is still counted, for whoever compares runs."""
    result = worked(range(1, 5), range(1, 9)).check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 0)
    assert result.figures == {"rework_units": 4, "rework_part": 0.5}


def test_as_much_as_allowed_passes() -> None:
    """By number and by part; units that follow where the last attempt stopped are none of it."""
    assert worked(range(1, 5), range(5, 9)).check(subject, units_max=0).verdict is Verdict.PASS
    result = worked(range(1, 5), range(3, 9)).check(subject, units_max=2, ratio_max=0.25)
    assert result.verdict is Verdict.PASS
    assert "1 job that was claimed again did 2 of 8 units twice (25%)" in result.summary


def test_one_more_fails() -> None:
    """The evidence is each unit that was done again."""
    result = worked(range(1, 5), range(2, 9)).check(subject, units_max=2)
    assert result.verdict is Verdict.FAIL
    assert len(result.evidence[0].events) == 3
    assert "j-1 did 3 of 8 units again (38%) in 2 attempts, 2 units allowed" in result.summary
    assert worked(range(1, 5), range(2, 9)).check(subject, ratio_max=0.3).verdict is Verdict.FAIL


def test_a_unit_counts_each_time_that_it_is_done_again() -> None:
    """Three attempts at the same two units are four too many."""
    assert worked(range(1, 3), range(1, 3), range(1, 3)).check(subject, units_max=3).verdict is Verdict.FAIL


def test_a_job_that_has_not_ended_is_unclear() -> None:
    """More of it may yet be done again."""
    result = worked(range(1, 5), range(4, 6), terminal=False).check(subject, units_max=2)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "j-1 is active, and may yet do more of it again" in result.summary
