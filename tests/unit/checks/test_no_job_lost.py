"""no_job_lost: what a client was told of is terminal or held somewhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.checks.draft import Draft
from unstuck.checks import every_job_terminal
from unstuck.checks import no_job_lost as subject
from unstuck.checks.classes import classify
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


def vanished(**begin: Any) -> Draft:
    """One job of a target that promises to lose rather than to repeat, and that has lost it."""
    draft = Draft(promise="at_most_once")
    op = draft.invoke("submit", tag="job")
    draft.move("j-1", ">queued", sampled=True)
    draft.answer(op, "ok", "j-1")
    if begin:
        draft.add("attempt", "begin", job="j-1", attempt=1, **begin)
    draft.outcome("j-1", "queued")
    return draft


def test_at_most_once_allows_no_loss_in_peace() -> None:
    """No fault, and nobody has ended: a job that is gone all the same is lost."""
    draft = vanished()
    draft.end("budget")
    draft.process("worker-1", "exit", role="worker", pid=1)  # when the run is taken down
    assert draft.check(subject).verdict is Verdict.FAIL
    assert draft.check(every_job_terminal).verdict is Verdict.FAIL
    assert [row.allowed for row in classify(draft.story())] == [False]


@pytest.mark.parametrize("blow", ["fault", "exit", "child"])
def test_at_most_once_allows_a_loss_by_a_blow(blow: str) -> None:
    """By a fault, by the end of a process, or of the child that had begun the job."""
    draft = vanished(**({"pid": 7} if blow == "child" else {}))
    if blow == "fault":
        draft.fault("armed", "fired", "landed", in_flight=1)
    elif blow == "exit":
        draft.process("worker-1", "exit", role="worker", pid=1)
    draft.end("budget")
    assert draft.check(subject).verdict is Verdict.PASS
    assert draft.check(every_job_terminal).verdict is Verdict.PASS
    assert [row.allowed for row in classify(draft.story())] == [True]


def test_at_most_once_does_not_excuse_who_came_after_the_blow() -> None:
    """The fault was over when the job was handed over."""
    draft = Draft(promise="at_most_once")
    draft.fault("armed", "fired", "landed", in_flight=1)
    draft.queued("j-1")
    draft.outcome("j-1", "queued")
    draft.end("budget")
    assert draft.check(subject).verdict is Verdict.FAIL


def test_a_target_that_forgets_what_it_did_and_shows_no_effects_is_not_judged() -> None:
    """Lost and done look alike there: green would mean nothing."""
    for effects_seen, verdict in ((False, Verdict.INCONCLUSIVE), (True, Verdict.PASS)):
        draft = Draft(absent="succeeded", effects_seen=effects_seen, sampled=True)
        draft.succeeded("j-1")
        draft.outcome("j-1", "succeeded")
        draft.end()
        assert draft.check(subject).verdict is verdict
