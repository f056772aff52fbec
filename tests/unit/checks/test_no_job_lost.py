"""no_job_lost: what a client was told of is terminal or held somewhere."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import no_job_lost as subject
from unstuck.checks.port import Verdict


def test_nothing_to_judge_is_inconclusive() -> None:
    """A job that no client was told of cannot be lost to one."""
    draft = Draft()
    draft.move("j-1", ">awaiting_upload")
    draft.outcome("j-1", None)
    draft.end()
    result = draft.check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 0)


def test_held_or_ended_is_not_lost() -> None:
    """Terminal, or held by lease, queue or upload: accounted for."""
    draft = Draft()
    draft.succeeded("j-1")
    draft.outcome("j-1", "succeeded")
    for job, held in (("j-2", "lease"), ("j-3", "queue"), ("j-4", "upload")):
        draft.queued(job)
        draft.outcome(job, "queued", held)
    draft.succeeded("j-5")  # final, so that a last look is not needed
    draft.end("budget")
    result = draft.check(subject)
    assert (result.verdict, result.summary) == (Verdict.PASS, "5 of 5 acknowledged jobs accounted for")


def test_held_nowhere_is_lost() -> None:
    """Queued by its row, with nothing in the queue and nobody to publish it: lost."""
    draft = Draft()
    draft.queued("j-1")
    look = draft.outcome("j-1", "queued")
    draft.end("budget")
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert result.evidence[0].events[-1] == look
    assert "is queued but held nowhere" in result.summary


def test_seen_nowhere_is_unclear_where_that_may_mean_anything() -> None:
    """A target whose queue nobody can look into says so: a job may wait there, and is not called lost."""
    draft = Draft()
    draft.queued("j-1")
    draft.outcome("j-1", "queued", "unknown")
    draft.end("budget")
    result = draft.check(subject)
    assert (result.verdict, result.evidence[0].message) == (Verdict.INCONCLUSIVE, subject.UNSEEN)


def test_unknown_to_the_service_is_lost() -> None:
    """An acknowledged job of which no row is left is lost, also when it had ended."""
    draft = Draft()
    draft.op("initiate_upload", "j-1")
    draft.outcome("j-1", None)
    draft.succeeded("j-2")
    draft.outcome("j-2", None)
    draft.end()
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert [evidence.job for evidence in result.evidence] == ["j-1", "j-2"]


def test_the_job_of_a_retry_is_acknowledged() -> None:
    """A retry's answer tells of a new job."""
    draft = Draft()
    draft.answer(draft.invoke("retry", "j-3"), "ok", "j-3", new_job="j-4")
    draft.outcome("j-4", None)
    draft.end()
    result = draft.check(subject)
    assert [evidence.job for evidence in result.evidence] == ["j-4"]


def test_not_found_by_the_last_look_is_lost() -> None:
    """A run that came to its own end has looked at every job that the service knows."""
    draft = Draft()
    draft.op("initiate_upload", "j-1")
    draft.end()
    result = draft.check(subject)
    assert result.verdict is Verdict.FAIL
    assert result.evidence[0].message == "was acknowledged, and the service does not know it"


def test_without_a_last_look_it_is_unclear() -> None:
    """A job that was not looked at in the end may be anywhere."""
    draft = Draft()
    draft.queued("j-1")
    draft.end("interrupted")
    result = draft.check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 1)
    assert "was not looked at in the end" in result.summary
