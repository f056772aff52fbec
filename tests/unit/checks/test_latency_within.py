"""latency_within: jobs of a kind are done in time."""

from __future__ import annotations

from tests.unit.checks.draft import Draft
from unstuck.checks import latency_within as subject
from unstuck.checks.port import Verdict


def job(draft: Draft, name: str, tag: str, *, queued_s: float, ended_s: float | None) -> None:
    draft.move(name, ">awaiting_upload", at_s=queued_s - 1, tag=tag)
    draft.move(name, "awaiting_upload>queued", at_s=queued_s)
    draft.move(name, "queued>active", at_s=queued_s + 0.1, attempt=1, token=1)
    if ended_s is not None:
        draft.move(name, "active>succeeded", at_s=ended_s, attempt=1, token=1)
    draft.now_s = max(draft.now_s, ended_s or queued_s)


def test_nothing_of_the_kind_is_inconclusive() -> None:
    """Jobs of other tags prove nothing, however long they took."""
    draft = Draft()
    job(draft, "j-1", "noisy", queued_s=1, ended_s=99)
    draft.end()
    assert draft.check(subject, quiet=3).verdict is Verdict.INCONCLUSIVE


def test_jobs_in_time_pass() -> None:
    """Counted from when they were queued, not from their announcement."""
    draft = Draft()
    job(draft, "j-1", "quiet", queued_s=1, ended_s=4)
    job(draft, "j-2", "noisy", queued_s=1, ended_s=99)
    draft.end()
    result = draft.check(subject, quiet=3)
    assert (result.verdict, result.judged) == (Verdict.PASS, 1)
    assert result.figures["quiet_max_s"] == 3
    assert result.summary == "1 job, the longest: quiet 3.000 s"


def test_a_tag_may_be_measured_by_another() -> None:
    """Half as long as the longest of the others."""
    draft = Draft()
    job(draft, "j-1", "noisy", queued_s=1, ended_s=11)
    job(draft, "j-2", "quiet", queued_s=1, ended_s=5)
    draft.end()
    assert draft.check(subject, quiet={"factor": 0.5, "of": "noisy"}).verdict is Verdict.PASS
    assert draft.check(subject, quiet={"factor": 0.3, "of": "noisy"}).verdict is Verdict.FAIL


def test_a_late_job_fails() -> None:
    """Each tag has its own time."""
    draft = Draft()
    job(draft, "j-1", "quiet", queued_s=1, ended_s=4.5)
    job(draft, "j-2", "noisy", queued_s=1, ended_s=9)
    draft.end()
    result = draft.check(subject, quiet=3, noisy=10)
    assert result.verdict is Verdict.FAIL
    assert [item.job for item in result.evidence] == ["j-1"]
    assert result.evidence[0].message == "(quiet) was succeeded after 3.500 s, not within 3 s"


def test_a_job_that_has_not_ended_fails_once_its_time_is_over() -> None:
    """Before that the history does not settle it."""
    draft = Draft()
    job(draft, "j-1", "quiet", queued_s=1, ended_s=None)
    draft.now_s = 2.0
    draft.end()
    assert draft.check(subject, quiet=3).verdict is Verdict.INCONCLUSIVE
    assert draft.check(subject, quiet=0.5).verdict is Verdict.FAIL
