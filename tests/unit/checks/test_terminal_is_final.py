"""terminal_is_final: what has ended stays ended."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import terminal_is_final as subject
from unstuck.checks.port import Verdict


def test_nothing_to_judge_is_inconclusive() -> None:
    """While no job has ended there is nothing to judge."""
    draft = Draft()
    draft.queued("j-1")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_jobs_that_stay_ended_pass() -> None:
    """Terminal as the last move is final."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.queued("j-2")
    assert (draft.check(subject).verdict, draft.check(subject).judged) == (Verdict.PASS, 1)


def test_a_revived_job_fails() -> None:
    """Any move after a terminal state is named with both events."""
    draft = Draft()
    draft.succeeded("j-1")
    end = len(draft.events) - 1
    revival = draft.move("j-1", "succeeded>queued", attempt=1, token=1)
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert result.evidence[0].events == (end, revival)
    assert "was succeeded at 0.120 s, and queued at 0.130 s" in result.summary


def test_a_last_look_alone_is_nothing_to_judge() -> None:
    """Without moves nobody can say whether an end was final."""
    draft = Draft()
    draft.outcome("j-1", "succeeded")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_a_target_of_ones_own_may_deliver_again_to_no_effect() -> None:
    """To be effective once is to deliver again; it has to end the same, and is no failure of this promise."""
    for end, verdict in (("succeeded", Verdict.PASS), ("failed", Verdict.FAIL)):
        draft = Draft(promise="effectively_once")
        draft.move("j-1", ">queued", sampled=True)
        draft.move("j-1", "queued>succeeded", sampled=True)
        draft.move("j-1", "succeeded>active", sampled=True)
        draft.move("j-1", f"active>{end}", sampled=True)
        assert draft.check(subject).verdict is verdict
