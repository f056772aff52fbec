"""What somebody does to the rows past the service breaks no promise; what the service makes of it may."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks import (
    completion_idempotent,
    legal_transitions,
    no_job_lost,
    no_live_job_rescued,
    no_premature_claim,
    status_truthful,
    terminal_is_final,
)
from unstuck.checks.port import Property, Verdict

HAND: dict[str, Any] = {"by": "operator"}
BACKUP: dict[str, Any] = {"by": "operator", "restored": True}


def announced(draft: Draft) -> None:
    op = draft.invoke("initiate_upload", tag="job")
    draft.move("j", ">awaiting_upload")
    draft.answer(op, "ok", "j")


def put_and_completed(draft: Draft) -> None:
    draft.op("put_object", "j")
    op = draft.invoke("complete_upload", "j")
    draft.move("j", "awaiting_upload>queued")
    draft.answer(op, "ok", "j")
    draft.op("complete_upload", "j")


def logged(draft: Draft, *ways: str) -> None:
    for way in ways:
        draft.logged("j", way)


JUDGES: tuple[Property, ...] = (
    legal_transitions,
    completion_idempotent,
    no_premature_claim,
    status_truthful,
    terminal_is_final,
)


def test_a_job_that_was_queued_by_hand_and_put_back_keeps_every_promise() -> None:
    """It is completed in good order later; the log never had the operator's move."""
    draft = Draft()
    announced(draft)
    draft.move("j", "awaiting_upload>queued", **HAND)
    draft.move("j", "queued>awaiting_upload")
    put_and_completed(draft)
    draft.claimed("j")
    draft.move("j", "active>succeeded", attempt=1, token=1)
    logged(draft, ">awaiting_upload", "queued>awaiting_upload", "awaiting_upload>queued")
    draft.logged("j", "queued>active", attempt=1, token=1)
    draft.logged("j", "active>succeeded", attempt=1, token=1)
    draft.end()
    for judge in JUDGES:
        assert draft.check(judge).verdict is Verdict.PASS, judge.NAME


def test_to_put_a_job_back_that_nobody_queued_by_hand_is_no_legal_move() -> None:
    """From the queue a job goes to a worker, or is cancelled."""
    draft = Draft()
    announced(draft)
    draft.move("j", "awaiting_upload>queued")
    draft.move("j", "queued>awaiting_upload")
    draft.end()
    assert draft.check(legal_transitions).verdict is Verdict.FAIL


def test_a_claim_of_a_job_that_was_queued_by_hand_too_early_fails() -> None:
    """The operator queued it, and the service took it: that is the broken promise."""
    draft = Draft()
    announced(draft)
    draft.move("j", "awaiting_upload>queued", **HAND)
    claim = draft.claimed("j")
    draft.end()
    result = draft.check(no_premature_claim)
    assert (result.verdict, result.evidence[0].events) == (Verdict.FAIL, (claim,))


def test_a_job_that_is_taken_from_a_worker_by_hand_was_not_rescued() -> None:
    """Nobody of the service took it."""
    draft = Draft()
    draft.process("worker-1", "start", role="worker", pid=1)
    announced(draft)
    put_and_completed(draft)
    draft.claimed("j")
    draft.move("j", "active>queued", attempt=1, token=1, **HAND)
    draft.end()
    assert draft.check(no_live_job_rescued).verdict is Verdict.PASS


def test_an_ended_job_that_is_queued_by_hand_was_not_revived_by_the_service() -> None:
    """Whoever did it wanted it."""
    draft = Draft()
    draft.succeeded("j")
    draft.move("j", "succeeded>queued", attempt=1, token=1, **HAND)
    draft.end()
    assert draft.check(terminal_is_final).verdict is Verdict.PASS


def restored(draft: Draft, state: str) -> None:
    """Its first life, a back-up put back as of `state`, and what the log has kept."""
    announced(draft)
    put_and_completed(draft)
    draft.claimed("j", token=1)
    draft.move("j", "active>succeeded", attempt=1, token=1)
    draft.move("j", f"succeeded>{state}", **BACKUP)


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.NAME)
def test_a_job_that_a_back_up_has_set_back_may_live_again(judge: Property) -> None:
    """Queued a second time, under the same token as before: of its first life neither row nor log is left."""
    draft = Draft()
    restored(draft, "awaiting_upload")
    draft.move("j", "awaiting_upload>queued")
    draft.claimed("j", token=1)
    draft.move("j", "active>succeeded", attempt=1, token=1)
    logged(draft, ">awaiting_upload", "awaiting_upload>queued")
    draft.logged("j", "queued>active", attempt=1, token=1)
    draft.logged("j", "active>succeeded", attempt=1, token=1)
    draft.end()
    assert draft.check(judge).verdict is Verdict.PASS


def test_two_enqueuings_after_a_restore_are_one_too_many() -> None:
    """The restore forgives what was before it only."""
    draft = Draft()
    restored(draft, "awaiting_upload")
    draft.move("j", "awaiting_upload>queued")
    draft.move("j", "queued>awaiting_upload", **HAND)
    draft.move("j", "awaiting_upload>queued")
    draft.end()
    assert draft.check(completion_idempotent).verdict is Verdict.FAIL


def test_nothing_is_judged_of_a_job_that_the_back_up_does_not_know() -> None:
    """It is gone: what its client still asks for does not bring it back."""
    draft = Draft()
    draft.succeeded("kept")
    draft.outcome("kept", "succeeded")
    draft.queued("j")
    draft.add("evidence", "gone", job="j")
    draft.op("complete_upload", "j", "fail")
    draft.end()
    story = draft.story()
    assert (set(story.jobs), set(story.gone)) == ({"kept"}, {"j"})
    assert len(story.gone["j"].ops_of("complete_upload")) == 2
    result = draft.check(no_job_lost)
    assert (result.verdict, result.judged) == (Verdict.PASS, 1)
