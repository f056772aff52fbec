"""completion_idempotent: completed any number of times, enqueued once."""

from __future__ import annotations

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks import completion_idempotent as subject
from unstuck.checks.port import Verdict


def twice(status: int = 200, phase: str = "ok") -> Draft:
    """Two completions at once."""
    draft = Draft()
    draft.submitted("j-1")
    first, second = draft.invoke("complete_upload", "j-1"), draft.invoke("complete_upload", "j-1")
    draft.move("j-1", "awaiting_upload>queued")
    draft.answer(first, "ok", "j-1", status=200)
    draft.answer(second, phase, "j-1", status=status)
    return draft


def test_nothing_to_judge_is_inconclusive() -> None:
    """A job that was completed once proves nothing about twice."""
    draft = Draft()
    draft.queued("j-1")
    draft.end()
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_one_enqueuing_passes() -> None:
    """Two completions, each with an answer, and one enqueuing."""
    result = twice().check(subject)
    assert (result.verdict, result.judged) == (Verdict.PASS, 1)


@pytest.mark.parametrize(("status", "phase"), [(409, "fail"), (503, "fail")])
def test_a_conflict_is_an_answer(status: int, phase: str) -> None:
    """A definite conflict, or a service that drains, breaks nothing."""
    assert twice(status, phase).check(subject).verdict is Verdict.PASS


def test_a_duplicate_event_is_a_second_notice() -> None:
    """Published again by a client, or sent twice by a fault."""
    draft = Draft()
    draft.queued("j-1")
    draft.op("publish_event", "j-1")
    assert draft.check(subject).judged == 1
    other = Draft()
    other.queued("j-1")
    other.fault("armed", "fired", "landed", name="duplicate_message", jobs=["j-1"])
    assert other.check(subject).judged == 1


def test_a_second_enqueuing_fails() -> None:
    """Twice out of `awaiting_upload` is one time too many."""
    draft = twice()
    draft.move("j-1", "awaiting_upload>queued")
    assert "was enqueued 2 times from awaiting_upload" in draft.check(subject).summary


@pytest.mark.parametrize("actor", ["api-1", "relay-1"])
@pytest.mark.parametrize("state", ["queued", "active", "succeeded"])
def test_an_enqueuing_by_a_completion_from_elsewhere_fails(actor: str, state: str) -> None:
    """Whoever handles completions queues a job from `awaiting_upload` only."""
    draft = twice()
    event = draft.logged("j-1", f"{state}>queued", actor=actor)
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert result.evidence[0].events == (event,)
    assert f"was enqueued again from {state} by {actor}" in result.summary


def test_a_hand_back_is_no_completion() -> None:
    """Workers and sweepers queue jobs again for good reasons."""
    draft = twice()
    draft.logged("j-1", "awaiting_upload>queued", actor="api-1")
    draft.logged("j-1", "active>queued", actor="worker-1")
    draft.logged("j-1", "active>queued")
    assert draft.check(subject).verdict is Verdict.PASS


def test_a_failing_answer_to_a_concurrent_completion_fails() -> None:
    """Two at once are no reason for a 500; one that met nobody is another property's matter."""
    assert (
        "had a completion answered 500 while another was under way"
        in twice(500, "info").check(subject).summary
    )
    draft = Draft()
    draft.queued("j-1")
    draft.answer(draft.invoke("complete_upload", "j-1"), "info", "j-1", status=500)
    assert draft.check(subject).verdict is Verdict.PASS


def test_an_answered_completion_without_enqueuing() -> None:
    """Answered ok and still waiting: broken when the run has played out, unclear before."""
    draft = Draft()
    draft.submitted("j-1")
    draft.op("complete_upload", "j-1")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE
    assert draft.check(subject).judged == 1
    draft.end("budget")
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert "still awaits its upload" in result.summary
