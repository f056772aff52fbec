"""failure_explained: a job that fails says why."""

from __future__ import annotations

from typing import Any

from tests.unit.checks.draft import Draft
from unstuck.checks import failure_explained as subject
from unstuck.checks.port import Verdict


def failed(reason: str | None, **facts: Any) -> Draft:
    """One job that ended as failed, with or without a reason."""
    draft = Draft(**facts)
    draft.queued("j-1")
    draft.claimed("j-1")
    said = {} if reason is None else {"reason": reason}
    draft.move("j-1", "active>failed", attempt=1, token=1, **said)
    draft.end()
    return draft


def test_nothing_failed_is_inconclusive() -> None:
    """A healthy run explains nothing, and neither breaks nor keeps the promise."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.end()
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_a_failure_with_a_reason_passes() -> None:
    """The reason may be any text."""
    result = failed("crashed").check(subject)
    assert (result.verdict, result.judged, result.summary) == (Verdict.PASS, 1, "1 of 1 failed job explained")


def test_a_failure_without_a_reason_fails() -> None:
    """The evidence is the job's last move."""
    draft = failed(None)
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert [(item.job, item.events) for item in result.evidence] == [("j-1", (len(draft.events) - 3,))]


def test_nothing_is_asked_of_a_target_that_shows_no_reasons() -> None:
    """Its failures are no less failures, but nobody could have read why: INCONCLUSIVE, by Verdict."""
    result = failed(None, reasons_seen=False).check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 0)


def test_a_reason_that_only_the_last_look_has_seen_is_one() -> None:
    """Some systems say `failed` first, and why a moment later."""
    draft = failed(None)
    draft.outcome("j-1", "failed", reason="ValueError: no")
    assert draft.check(subject).verdict is Verdict.PASS
