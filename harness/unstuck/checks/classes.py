"""What became of each job, as it was observed; whether that breaks a promise is for the properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from unstuck.checks.no_job_lost import lost, may_be_lost
from unstuck.checks.run_story import RunStory
from unstuck.checks.story import JobStory, Story, seconds
from unstuck.checks.victims import victims


class Kind(StrEnum):
    """The class of a job's outcome; the first that fits, in this order, `ok` last."""

    LOST = "lost"  # acknowledged, and neither terminal nor held anywhere
    DOUBLED = "doubled"  # its effect was applied more than once
    DONE_NOT_TERMINAL = "done_not_terminal"  # its effect was applied, and it never ended
    STUCK = "stuck"  # not terminal at the end, and still held
    DONE_BUT_FAILED = "done_but_failed"  # its effect was applied, and it ended otherwise than succeeded
    FAILED_WITHOUT_ERROR = "failed_without_error"  # nothing says why
    RESTARTED = "restarted"  # claimed more than once
    OK = "ok"


# Which classes each delivery promise allows.
ALLOWED: Mapping[str, frozenset[Kind]] = {
    "at_least_once": frozenset({Kind.OK, Kind.RESTARTED, Kind.DOUBLED}),
    "at_most_once": frozenset({Kind.OK, Kind.LOST}),  # lost by a blow; a second start may be a second effect
    "effectively_once": frozenset({Kind.OK, Kind.RESTARTED}),
}


EXPECTED_FROM = frozenset({"lease", "registry"})  # where a system takes jobs up from by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClass:
    """One job's row. `rescued`: `rescued after N s` (from the blow to the next claim, or from the begin of
    the budget to an end after it), `expected after N s` (by the target's own word), `never`, or None when no
    blow hit it and it needed no rescue.
    """

    job: str
    tag: str | None
    state: str | None
    reason: str | None
    kind: Kind
    allowed: bool  # by the delivery promise
    rescued: str | None
    claims: int
    took_s: float | None  # from its first event to its terminal state


def classify(story: Story) -> tuple[JobClass, ...]:
    """Every job in order of its first event."""
    waits_s = _waits_s(story)
    return tuple(
        _class_of(story, job, _rescued(job, story.run, waits_s.get(job.id))) for job in story.jobs.values()
    )


def _class_of(story: Story, job: JobStory, rescued: str | None) -> JobClass:
    kind = _kind(job, story.run)
    allowed = kind in ALLOWED.get(story.run.promise, ALLOWED["effectively_once"])
    end_s = job.terminal_at_s
    return JobClass(
        job=job.id,
        tag=job.tag,
        state=job.state,
        reason=job.reason,
        kind=kind,
        allowed=allowed and (kind is not Kind.LOST or may_be_lost(story, job)),
        rescued=rescued,
        claims=len(job.claims),
        took_s=None if end_s is None else end_s - job.moves[0].at_s,
    )


def _kind(job: JobStory, run: RunStory) -> Kind:
    done = bool(job.applied)
    if job.acknowledged is not None and not done and lost(job, looked=run.played_out) is not None:
        return Kind.LOST
    if len(job.applied) > 1:
        return Kind.DOUBLED
    if _late_s(job, run) is not None:
        return Kind.STUCK
    if not job.terminal:
        return Kind.DONE_NOT_TERMINAL if done else Kind.STUCK
    return _kind_of_ended(job, run, done=done)


def _kind_of_ended(job: JobStory, run: RunStory, *, done: bool) -> Kind:
    if done and job.state != "succeeded":
        return Kind.DONE_BUT_FAILED
    if job.state == "failed" and job.reason is None and run.sees_reasons:
        return Kind.FAILED_WITHOUT_ERROR
    return Kind.RESTARTED if max(len(job.claims), len(job.begins)) > 1 else Kind.OK


def _late_s(job: JobStory, run: RunStory) -> float | None:
    """How long after the begin of the recovery budget a job ended that had not when it was over."""
    over_s, end = run.budget_over_s, job.end
    if over_s is None or end is None or run.budget is None or end.since_s <= over_s:
        return None
    return end.at_s - seconds(run.budget)


def _waits_s(story: Story) -> dict[str, float]:
    """For each job that was hit and claimed again: the longest time from a blow to the next claim."""
    waits_s: dict[str, float] = {}
    for fault in story.faults.values():
        for stroke in fault.strokes:
            for victim in victims(story, stroke):
                if victim.next_claim is not None:
                    wait_s = max(0.0, victim.next_claim.at_s - stroke.struck_s)
                    waits_s[victim.job.id] = max(wait_s, waits_s.get(victim.job.id, 0.0))
    return waits_s


def _rescued(job: JobStory, run: RunStory, wait_s: float | None) -> str | None:
    late_s = _late_s(job, run)
    if late_s is not None:
        return f"rescued after {late_s:.3f} s"
    if not job.terminal:
        held = job.outcome is not None and job.outcome.data["held"] in EXPECTED_FROM
        period_s = run.recovery_period_s
        return f"expected after {period_s:g} s" if held and period_s is not None else "never"
    return None if wait_s is None else f"rescued after {wait_s:.3f} s"
