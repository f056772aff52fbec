"""recovery_within: jobs that a fault hit are taken up again, and end, in time."""

from __future__ import annotations

from typing import Any

from tests.unit.checks.draft import Draft
from unstuck.checks import recovery_within as subject
from unstuck.checks.port import Verdict


def hit(claim_after_s: float | None = 1.0, end_after_s: float | None = 2.0, **landed: Any) -> Draft:
    """One job under worker-1, one under worker-2; worker-1 is hit at 1 s."""
    draft = Draft()
    for job, worker in (("j-1", "worker-1"), ("j-2", "worker-2")):
        draft.queued(job)
        draft.claimed(job, worker=worker)
    draft.now_s = 1.0
    draft.fault("armed", "fired")
    facts = {"processes": ["worker-1"], "in_flight": 2, **landed}
    draft.fault("landed", **facts)
    landed_s = draft.now_s
    draft.move("j-2", "active>succeeded", token=1, attempt=1)
    if claim_after_s is not None:
        draft.move("j-1", "active>queued", attempt=1, token=1)
        draft.now_s = landed_s + claim_after_s - 0.01
        draft.claimed("j-1", worker="worker-2", attempt=2, token=2)
    if end_after_s is not None:
        draft.now_s = landed_s + end_after_s - 0.01
        draft.move("j-1", "active>succeeded", attempt=2, token=2)
    return draft


def test_nothing_to_judge_is_inconclusive() -> None:
    """No fault, or one that hit nobody in flight, is nothing to recover from."""
    draft = Draft()
    draft.succeeded("j-1")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE
    draft.fault("armed", "fired", "landed", processes=["worker-1"])
    draft.queued("j-2")
    assert draft.check(subject).verdict is Verdict.INCONCLUSIVE


def test_recovery_in_time_passes_with_figures() -> None:
    """Both times count from the moment when the fault had landed; only who was hit is judged."""
    draft = hit()
    draft.end()
    result = draft.check(subject, budget_s=2.5, claim_s=1.5)
    assert (result.verdict, result.judged) == (Verdict.PASS, 1)
    assert round(result.figures["claim_max_s"], 6) == 1.0
    assert round(result.figures["terminal_p99_s"], 6) == 2.0
    assert "1 of 1 job that was hit recovered, the last ended after 2.000 s" in result.summary


def test_a_job_that_was_hit_twice_is_one_job() -> None:
    """Both blows are judged; the summary counts jobs, and tells how often they were hit."""
    draft = hit(claim_after_s=None, end_after_s=None)
    draft.fault("armed", "fired", "landed", index=1, processes=["worker-1"], in_flight=1)
    draft.now_s += 1
    draft.move("j-1", "active>succeeded", attempt=1, token=1)
    draft.end()
    result = draft.check(subject, budget_s=5)
    assert (result.verdict, result.judged) == (Verdict.PASS, 2)
    assert result.summary.startswith("1 of 1 job that was hit (in all 2 times) recovered")


def test_late_recovery_fails() -> None:
    """Too late a claim and too late an end are two findings."""
    result = hit().check(subject, budget_s=1.5, claim_s=0.5)
    assert [evidence.message for evidence in result.evidence] == [
        "was hit by kill and was claimed again after 1.000 s, not within 0.5 s",
        "was hit by kill and was succeeded after 2.000 s, not within 1.5 s",
    ]


def test_no_recovery_fails_once_the_run_has_played_out() -> None:
    """Never claimed again and never ended; before the end of the run that is unclear."""
    draft = hit(claim_after_s=None, end_after_s=None)
    early = draft.check(subject, claim_s=5)
    assert (early.verdict, early.judged) == (Verdict.INCONCLUSIVE, 1)
    draft.end("budget")
    messages = [evidence.message for evidence in draft.check(subject, claim_s=5).evidence]
    assert messages[0].startswith("was hit by kill and was never claimed again, 0.0")
    assert messages[1].startswith("was hit by kill and never ended: it is active, 0.0")


def test_time_that_is_over_is_over_however_the_run_ended() -> None:
    """An interrupted run that had waited long enough has shown the failure."""
    draft = hit(claim_after_s=None, end_after_s=None)
    draft.now_s += 20
    draft.end("interrupted")
    assert draft.check(subject).verdict is Verdict.FAIL


def test_a_job_that_ends_without_another_claim_needs_none() -> None:
    """A worker that was only asked to stop may finish the job."""
    draft = hit(claim_after_s=None)
    assert draft.check(subject, claim_s=0.1).verdict is Verdict.PASS


def test_a_lasting_fault_counts_from_its_healing() -> None:
    """Recovery before it was healed took no time at all."""
    draft = hit()
    draft.fault("healed")
    result = draft.check(subject, budget_s=0.1, claim_s=0.1)
    assert result.verdict is Verdict.PASS
    assert result.figures["terminal_max_s"] == 0.0


def test_a_fault_may_name_its_jobs() -> None:
    """Then those are judged, whoever holds them; names that nobody knows are left out."""
    draft = hit(processes=None, jobs=["j-2", "j-9"])
    assert (draft.check(subject).judged, draft.check(subject).verdict) == (1, Verdict.PASS)


def test_a_fault_that_names_nobody_hit_all_in_flight() -> None:
    """A database that is away is away for every job."""
    assert hit(processes=None).check(subject).judged == 2


def test_the_blow_is_when_it_was_struck() -> None:
    """A job that began between the blow and the landing was not hit."""
    draft = hit(struck_at_ns=1)
    assert draft.check(subject).judged == 0


def test_who_may_be_dropped_needs_no_recovery() -> None:
    """A job that a promise of at most once allows to be lost is not waited for."""
    draft = Draft(promise="at_most_once")
    draft.queued("j-1")
    draft.claimed("j-1", worker="worker-1")
    draft.fault("armed", "fired", "landed", processes=["worker-1"], in_flight=1)
    draft.outcome("j-1", "active")
    draft.end("budget")
    result = draft.check(subject)
    assert (result.verdict, result.judged) == (Verdict.INCONCLUSIVE, 0)


def test_a_time_between_two_looks_is_not_too_long_for_certain() -> None:
    """It was claimed and ended at some time since the look before."""
    for unseen_s, verdict in ((0.5, Verdict.INCONCLUSIVE), (0.05, Verdict.FAIL)):
        draft = hit(end_after_s=None)
        draft.move("j-1", "active>succeeded", attempt=2, sampled=True, unseen_s=unseen_s, at_s=3.3)
        assert draft.check(subject, budget_s=2.0).verdict is verdict
