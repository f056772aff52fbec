"""status_truthful: what the service says of a job is what was seen."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import status_truthful as subject
from unstuck.checks.port import Verdict

WAYS = (">awaiting_upload", "awaiting_upload>queued", "queued>active", "active>succeeded")


def told(*, api: str = "succeeded", row: str = "succeeded", ways: tuple[str, ...] = WAYS) -> Draft:
    """A succeeded job, and what the service says of it in the end."""
    draft = Draft()
    draft.succeeded("j-1")
    for way in ways:
        draft.logged("j-1", way)
    draft.add("said", "row", job="j-1", state=row)
    draft.outcome("j-1", "succeeded")
    draft.add("said", "api", job="j-1", state=api)
    draft.end()
    return draft


def test_nothing_to_judge_is_inconclusive() -> None:
    """Nothing said, or said of a job whose moves nobody saw."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.add("said", "row", job="j-2", state="queued")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_the_truth_passes() -> None:
    """API, row, log and our own look agree; without any log, none is missed."""
    result = told().check(subject)
    assert (result.verdict, result.judged) == (Verdict.PASS, 1)
    assert told(ways=()).check(subject).verdict is Verdict.PASS


def test_a_lie_of_the_api_fails() -> None:
    """A state that it had, but no longer; and one that it never had."""
    assert (
        "is active by the API, and was succeeded since 0.120 s" in told(api="active").check(subject).summary
    )
    assert "is failed by the API, and was never seen so" in told(api="failed").check(subject).summary


def test_a_lie_of_the_row_fails() -> None:
    """A row that changed without a move was changed behind the trigger's back."""
    result = told(row="queued").check(subject)
    assert result.verdict is Verdict.FAIL
    assert "is queued by its row, and was succeeded" in result.summary
    draft = told()
    draft.outcome("j-1", None)
    assert "is None by our final look, and was never seen so" in draft.check(subject).summary


def test_a_log_with_other_moves_fails() -> None:
    """Missing, added or changed lines; the first difference is named."""
    missing = told(ways=WAYS[:-1]).check(subject)
    assert "moved active -> succeeded, which the service's log does not have" in missing.summary
    added = told(ways=(*WAYS, "succeeded>queued")).check(subject)
    assert "has succeeded -> queued in the service's log, which nobody saw" in added.summary
    changed = told(ways=(*WAYS[:-1], "active>failed")).check(subject)
    assert "moved active -> succeeded, and the service's log says active -> failed" in changed.summary
    assert len(changed.evidence) == 1


def test_a_state_that_a_moving_job_had_is_true() -> None:
    """An answer may be older than its stamp while the job moves, so that it settles nothing."""
    draft = Draft()
    draft.queued("j-1")
    draft.claimed("j-1")
    draft.add("said", "api", job="j-1", state="queued")
    draft.end("budget")
    assert draft.check(subject).verdict is Verdict.PASS
    early = Draft()
    early.queued("j-1")
    early.add("said", "api", job="j-1", state="queued")
    early.claimed("j-1")
    early.end()
    assert early.check(subject).verdict is Verdict.PASS
