"""Outcomes: what a trial says of its job, and when it says nothing."""

from __future__ import annotations

from dataclasses import replace

from unstuck.campaign import RunRecord
from unstuck.checks.classes import JobClass, Kind
from unstuck.checks.port import Evidence, PropertyResult, Verdict
from unstuck.checks.verdict import FaultRow, RunVerdict
from unstuck.errors import ExitCode
from unstuck.explorer.outcomes import NO_JOB, outcome_of, passed_by
from unstuck.scenario import Scenario

FAULT = FaultRow(
    index=0, name="kill", setup=False, armed=True, fired=1, landed=1, healed=0, missed=0, in_flight=1,
    condition=None, condition_held=True, how="gone", problem=None,
)  # fmt: skip
JOB = JobClass(
    job="j-1", tag="job", state="succeeded", reason=None, kind=Kind.OK, allowed=True, rescued=None, claims=1,
    took_s=0.1,
)  # fmt: skip
SCENARIO = Scenario(name="a", summary="b", workload=(), faults=(), expect={})


def record(*jobs: JobClass, fault: FaultRow = FAULT, broken: tuple[str, ...] = ()) -> RunRecord:
    properties = tuple(
        PropertyResult(name=name, verdict=Verdict.FAIL, summary="", judged=1, expected=True)
        for name in broken
    )
    verdict = RunVerdict(
        verdict=Verdict.FAIL if broken else Verdict.PASS, reasons=(), properties=properties, faults=(fault,),
        jobs=jobs,
    )  # fmt: skip
    return RunRecord(
        scenario=SCENARIO,
        verdict=verdict,
        error=None,
        exit_code=verdict.exit_code,
        folder=None,
        duration_s=1.0,
    )


def test_the_class_of_the_job_is_the_outcome() -> None:
    """What its promise allows is no failure."""
    doubled = replace(JOB, kind=Kind.DOUBLED, rescued="rescued after 1.2 s")
    outcome = outcome_of(record(doubled))
    assert (outcome.word, outcome.note, outcome.allowed) == ("doubled", "rescued after 1.2 s", True)
    assert outcome.exit_code is ExitCode.PASS


def test_a_broken_promise_is_a_failure_and_is_named() -> None:
    """By the properties that failed."""
    lost = replace(JOB, kind=Kind.LOST, allowed=False, state="queued", rescued="never")
    outcome = outcome_of(record(lost, broken=("no_job_lost",)))
    assert (outcome.word, outcome.note, outcome.broken) == ("lost", "", ("no_job_lost",))
    assert outcome.exit_code is ExitCode.FAIL


def test_of_several_jobs_the_worst_counts() -> None:
    """A client that asked twice has two; one of them may be stuck."""
    stuck = replace(
        JOB, job="j-2", kind=Kind.STUCK, allowed=False, state="active", rescued="expected after 9 s"
    )
    outcome = outcome_of(record(JOB, stuck, broken=("every_job_terminal",)))
    assert (outcome.word, outcome.note) == ("stuck", "2 jobs, active, expected after 9 s")


def test_no_job_at_all_is_an_answer() -> None:
    """The client was told so, or may ask again: nothing was promised."""
    assert outcome_of(record()).word == NO_JOB


def test_a_trial_that_did_not_land_says_nothing() -> None:
    """However well the job went."""
    missed = replace(FAULT, fired=0, landed=0, problem="never fired")
    outcome = outcome_of(record(JOB, fault=missed))
    assert (outcome.word, outcome.why) == (None, "did not land: never fired")
    assert outcome.exit_code is ExitCode.INCONCLUSIVE


def test_an_error_of_the_harness_is_not_the_services() -> None:
    """It is told, and nothing is concluded."""
    broken = replace(record(JOB), error="links: the proxy\n is gone", exit_code=ExitCode.HARNESS)
    outcome = outcome_of(broken)
    assert (outcome.word, outcome.why) == (None, "links: the proxy is gone")
    assert outcome.exit_code is ExitCode.HARNESS
    stopped = replace(record(JOB), exit_code=ExitCode.INTERRUPTED)
    assert outcome_of(stopped).exit_code is ExitCode.INTERRUPTED


def test_only_a_whole_run_shows_that_a_job_does_not_come_to_a_test_point() -> None:
    """One that failed, was stopped or met an error of ours is still owed: it is not taken out."""
    unfired = replace(FAULT, fired=0, landed=0, problem="never fired")
    whole = record(JOB, fault=unfired)
    assert passed_by(whole)
    assert not passed_by(record(JOB))
    assert not passed_by(record(JOB, fault=unfired, broken=("no_job_lost",)))
    assert not passed_by(replace(whole, error="links: the proxy is gone"))
    assert not passed_by(replace(whole, exit_code=ExitCode.INTERRUPTED))
    assert not passed_by(replace(whole, verdict=None))
    assert whole.verdict is not None
    assert not passed_by(replace(whole, verdict=replace(whole.verdict, harness_errors=("it crashed",))))
    assert not passed_by(replace(whole, verdict=replace(whole.verdict, spoilt=("the history is cut",))))


def test_no_job_is_no_pass_where_something_else_broke() -> None:
    """A role that does not come back breaks its promise whether or not there was a job."""
    outcome = outcome_of(record(broken=("roles_recover",)))
    assert (outcome.word, outcome.allowed, outcome.broken) == (NO_JOB, False, ("roles_recover",))
    assert outcome.exit_code is ExitCode.FAIL


def test_a_spoilt_run_says_nothing() -> None:
    """With its history cut, or the clock stepped, neither ok nor lost can be believed."""
    whole = record(JOB)
    assert whole.verdict is not None
    spoilt = replace(whole.verdict, verdict=Verdict.INCONCLUSIVE, spoilt=("the history is cut: here",))
    outcome = outcome_of(replace(whole, verdict=spoilt))
    assert (outcome.word, outcome.why) == (None, "the history is cut: here")
    assert outcome.exit_code is ExitCode.INCONCLUSIVE


def test_what_the_history_does_not_settle_is_no_pass_and_nothing_to_judge_is_none_the_less() -> None:
    """A client that was cut off has acknowledged no job, which is no doubt about the one that came to be."""
    whole = record(JOB)
    assert whole.verdict is not None
    idle = PropertyResult(
        name="no_job_lost", verdict=Verdict.INCONCLUSIVE, summary="nothing to judge", judged=0, expected=True
    )
    unclear = replace(idle, summary="unclear 1 x", judged=1, evidence=(Evidence(job="j-1", message="?"),))
    unasked = replace(unclear, expected=False)
    outcomes = [
        outcome_of(replace(whole, verdict=replace(whole.verdict, properties=(one,))))
        for one in (idle, unasked, unclear)
    ]
    assert [one.word for one in outcomes] == ["ok", "ok", None]
    assert outcomes[2].why == "no_job_lost: unclear 1 x"
