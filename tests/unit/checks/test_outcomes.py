"""outcomes: jobs end as the scenario says they must."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks import outcomes as subject
from unstuck.checks.port import Verdict


def mixed() -> Draft:
    """Two succeeded jobs, a poison one that failed for a reason, and one without a trace."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.succeeded("j-2")
    draft.queued("j-3", tag="poison")
    draft.claimed("j-3")
    draft.move("j-3", "active>failed", attempt=1, token=1, reason="crashed")
    draft.op("initiate_upload", "j-4")
    draft.end()
    return draft


def test_nothing_to_judge_is_inconclusive() -> None:
    """A scenario that says nothing of outcomes asks for nothing."""
    result = mixed().check(subject)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.figures == {"succeeded": 2, "failed": 1, "unknown": 1}


@pytest.mark.parametrize(
    "params",
    [
        {"succeeded": {"at_least": 2}},
        {"succeeded": {"exactly": 2}, "failed": {"at_most": 1}},
        {"failed": {"exactly": 1, "reason": "crashed"}},
        {"poison": {"exactly": 1, "state": "failed", "reason": "crashed"}},
        {"poison": {"state": "failed"}},
        {"expired": {"exactly": 0}},
    ],
)
def test_outcomes_as_said_pass(params: dict[str, Any]) -> None:
    """By state or by tag; under a tag without a number, all of its jobs."""
    result = mixed().check(subject, **params)
    assert (result.verdict, result.summary) == (
        Verdict.PASS,
        "1 failed (crashed), 2 succeeded, 1 unknown",
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"succeeded": {"at_least": 3}}, "succeeded: 2 jobs succeeded, not at least 3"),
        ({"succeeded": {"at_most": 1}}, "succeeded: 2 jobs succeeded, not at most 1"),
        ({"succeeded": {"exactly": 1}}, "succeeded: 2 jobs succeeded, not exactly 1"),
        ({"failed": {"exactly": 1, "reason": "oom"}}, "failed: 0 jobs failed oom, not exactly 1"),
        ({"poison": {"state": "succeeded"}}, "poison: 0 jobs succeeded, not exactly 1"),
    ],
)
def test_other_outcomes_fail(params: dict[str, Any], message: str) -> None:
    """The message says what was demanded and what there is."""
    result = mixed().check(subject, **params)
    assert result.verdict is Verdict.FAIL
    assert message in result.summary


def test_the_reason_may_come_from_the_row() -> None:
    """Where the move does not say why, the row does."""
    draft = Draft()
    draft.move("j-1", "active>failed")
    draft.add("said", "row", job="j-1", state="failed", reason="timed_out")
    draft.end()
    assert draft.check(subject, failed={"exactly": 1, "reason": "timed_out"}).verdict is Verdict.PASS


def test_what_is_not_there_is_unclear() -> None:
    """A tag that no job has, and a run that has not played out, settle nothing."""
    result = mixed().check(subject, ghosts={"state": "failed"})
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 1)
    assert "no job has the tag 'ghosts'" in result.summary
    draft = Draft()
    draft.queued("j-1")
    assert draft.check(subject, succeeded={"exactly": 1}).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ({"exactly": 1, "state": "expired"}, Verdict.PASS),
        ({"exactly": 2, "state": "expired"}, Verdict.PASS),
        ({"exactly": 3, "state": "expired"}, Verdict.FAIL),
        ({"exactly": 0, "state": "expired"}, Verdict.FAIL),
        ({"at_most": 1, "state": "expired"}, Verdict.PASS),
        ({"at_most": 0, "state": "expired"}, Verdict.FAIL),
        ({"at_least": 2, "state": "expired"}, Verdict.PASS),
        ({"state": "expired"}, Verdict.PASS),
        ({"state": "succeeded"}, Verdict.FAIL),
    ],
)
def test_a_job_that_no_client_heard_of_may_be_one_too_many(rule: dict[str, Any], verdict: Verdict) -> None:
    """1. it is made, 2. the answer is lost, 3. the client announces another; the first one expires."""
    draft = Draft()
    op = draft.invoke("initiate_upload", tag="vanished")
    draft.move("j-1", ">awaiting_upload", tag="vanished")
    draft.answer(op, "info")
    draft.submitted("j-2", tag="vanished")
    for job in ("j-1", "j-2"):
        draft.move(job, "awaiting_upload>expired")
    draft.end()
    assert draft.check(subject, vanished=rule).verdict is verdict


def test_a_job_that_no_client_heard_of_is_excused_from_nothing_else() -> None:
    """It was made, so it must not fail."""
    draft = Draft()
    op = draft.invoke("initiate_upload", tag="job")
    draft.move("j-1", ">awaiting_upload", tag="job")
    draft.answer(op, "info")
    draft.succeeded("j-2")
    draft.move("j-1", "awaiting_upload>failed", reason="crashed")
    draft.end()
    assert draft.check(subject, failed={"at_most": 0}).verdict is Verdict.FAIL
    assert draft.check(subject, job={"state": "succeeded"}).verdict is Verdict.FAIL
