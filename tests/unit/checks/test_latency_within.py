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


def test_nothing_to_compare_with_settles_nothing() -> None:
    """A tag none of whose jobs was queued is no measure, of each job or of their median."""
    draft = Draft()
    job(draft, "j-1", "after", queued_s=1, ended_s=2)
    draft.end()
    for by in ("longest", "median"):
        result = draft.check(subject, after={"factor": 2, "of": "before", "by": by})
        assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 1)


def test_whoever_is_compared_with_may_still_take_longer() -> None:
    """While a job of the other tag has not ended, nobody knows how long the longest takes."""
    draft = Draft()
    job(draft, "j-1", "before", queued_s=1, ended_s=None)
    job(draft, "j-2", "after", queued_s=1, ended_s=11)
    draft.end()
    assert draft.check(subject, after={"factor": 0.5, "of": "before"}).verdict is Verdict.INCONCLUSIVE


def groups(before: list[float | None], after: list[float | None]) -> Draft:
    """Jobs of two tags that took so many seconds; None: had not ended after 100."""
    draft = Draft()
    for tag, times in (("before", before), ("after", after)):
        for number, took_s in enumerate(times):
            ended_s = None if took_s is None else 1 + took_s
            job(draft, f"j-{tag}-{number}", tag, queued_s=1, ended_s=ended_s)
    draft.now_s = max(draft.now_s, 101.0)
    draft.end()
    return draft


MEDIANS = {"factor": 2, "of": "before", "by": "median"}


def test_one_slow_job_does_not_move_a_median() -> None:
    """As a busy machine makes one now and then: the group as a whole is as fast."""
    draft = groups([1, 1.2, 9], [1, 1.5, 30])
    assert draft.check(subject, after=MEDIANS).verdict is Verdict.PASS
    assert draft.check(subject, after={"factor": 2, "of": "before"}).verdict is Verdict.FAIL


def test_a_group_that_is_slower_as_a_whole_fails() -> None:
    """With both medians, and one job of the middle as evidence."""
    result = groups([1, 1.2, 9], [1, 2.5, 30]).check(subject, after=MEDIANS)
    assert (result.verdict, result.judged) == (Verdict.FAIL, 3)
    [evidence] = result.evidence
    assert evidence.job == "j-after-1"
    assert evidence.message == (
        "(after) the median of 3 jobs is 2.500 s, more than 2 times the 1.200 s of before"
    )


def test_jobs_that_have_not_ended_count_when_they_settle_a_median() -> None:
    """Two of three that wait for 100 s are a slow group already; one of three changes nothing."""
    assert groups([1, 1], [1, None, None]).check(subject, after=MEDIANS).verdict is Verdict.FAIL
    assert groups([1, 1], [1, 1, None]).check(subject, after=MEDIANS).verdict is Verdict.PASS
    assert groups([None, None], [1, 1]).check(subject, after=MEDIANS).verdict is Verdict.PASS
    half = {**MEDIANS, "factor": 0.5}
    assert groups([1, None, None], [90, 90]).check(subject, after=half).verdict is Verdict.INCONCLUSIVE
    assert groups([80, 80], [1, None, None]).check(subject, after=MEDIANS).verdict is Verdict.INCONCLUSIVE
