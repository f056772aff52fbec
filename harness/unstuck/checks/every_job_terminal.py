"""Every job ends: in a terminal state before the recovery budget is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.no_job_lost import may_be_lost
from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Story, seconds, text_of

NAME = "every_job_terminal"
PROMISE = "Every job reaches a terminal state within the recovery budget."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"within_s": (int, float)}

# Who moves a job on from each state that is not final.
MOVED_ON_BY: Mapping[str, str] = {
    "awaiting_upload": "the API when the upload is completed, the relay when it hears of the object, "
    "or the sweeper at the upload's deadline",
    "queued": "a worker that claims it, after its event or after the sweeper has published that again",
    "active": "the worker that holds its lease, or the sweeper once the lease has expired",
}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """`within_s`: seconds after the moment when every fault was healed; absent: the run's budget."""
    within_s = float(params.get("within_s", story.run.budget_s))
    budget = story.run.budget
    latest_s = None if budget is None else seconds(budget) + within_s
    jobs = list(story.jobs.values())
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    ends_s: list[float] = []
    dropped = 0
    for job in jobs:
        end = job.end
        if end is not None:
            ends_s.append(end.at_s)
        if job.terminal:
            if latest_s is not None and end is not None and end.at_s > latest_s:
                # Of one that was looked at, only that it had not ended at the look before is certain.
                late = _late(job, end.at_s - latest_s + within_s, within_s)
                (broken if end.since_s > latest_s else unclear).append(late)
        elif may_be_lost(story, job):
            dropped += 1  # the promise is to lose it rather than to do it twice
        elif job.sampled and job.outcome is None:  # what is not looked at is not seen to end
            unclear.append(Evidence(job=job.id, message="was not looked at in the end"))
        elif job.unread is not None:
            unclear.append(Evidence(job=job.id, message=f"is {job.unread!r} in the system's words, unmapped"))
        elif _over(story, latest_s):
            broken.append(_stuck(story, job))
        else:
            unclear.append(Evidence(job=job.id, message=f"was {_state(job)} when the history ends"))
    ended = sum(job.terminal for job in jobs)
    may = f", {dropped} lost, as at_most_once allows" if dropped else ""
    last = f", the last at {max(ends_s):.3f} s" if ends_s else ""
    return conclude(
        NAME,
        judged=len(jobs),
        summary=f"{ended} of {plural(len(jobs), 'job')} terminal{last}{may}",
        broken=broken,
        unclear=unclear,
        figures={"jobs": len(jobs), "terminal": ended},
    )


def _over(story: Story, latest_s: float | None) -> bool:
    """True when a job that is not terminal by now has broken the promise."""
    return story.run.played_out or (latest_s is not None and story.end_s > latest_s)


def _state(job: JobStory) -> str:
    return job.state or "unknown to the service"


def _late(job: JobStory, took_s: float, within_s: float) -> Evidence:
    return Evidence(
        job=job.id,
        message=f"was {job.state} {took_s:.3f} s after the last fault was healed, not within {within_s:g} s",
        events=job.last_event,
        facts={"took_s": took_s},
    )


def _stuck(story: Story, job: JobStory) -> Evidence:
    facts: dict[str, Any] = {"state": job.state, "held": text_of(job.outcome, "held")}
    details = [f"is still {_state(job)}"]
    if job.moves:
        last = job.moves[-1]
        facts.update(since_s=last.at_s, attempt=last.attempt, token=last.token, stage=job.stage)
        stage = f"stage {job.stage}, " if job.stage is not None and job.state == "active" else ""
        details[0] += f" ({stage}attempt {last.attempt}, token {last.token}) since {last.at_s:.3f} s"
    details.append(_held(story, job))
    mover = moved_on_by(story, job)
    rest = f"; to be moved on by {mover}" if mover else ""
    return Evidence(
        job=job.id,
        message=f"{', '.join(details)}{rest}",
        events=job.last_event,
        facts=facts,
    )


def moved_on_by(story: Story, job: JobStory) -> str:
    """What should have moved a job on from where it is; empty: nothing has to, or nobody says."""
    if not job.sampled:
        return MOVED_ON_BY.get(job.state or "", "")
    held = text_of(job.outcome, "held")
    period_s = story.run.recovery_period_s
    again = f", expected within {period_s:g} s" if period_s is not None else ""
    movers = {
        "queue": "a worker that takes it from the queue",
        "lease": f"whoever holds its lease, or the system once that is over{again}",
        "registry": f"the system's own upkeep of that list{again}",
        "dead_letter": "somebody: nothing takes it up from there by itself",
        "process": "the process that is at it",
    }
    return movers.get(held or "", "")


def _held(story: Story, job: JobStory) -> str:
    if job.outcome is None:
        return "and nobody looked who holds it"
    held = text_of(job.outcome, "held")
    claim = job.claims[-1] if job.claims and job.state == "active" else None
    holder = None if claim is None else claim.holder
    if claim is None or holder is None or held not in (None, "lease"):
        return "held nowhere" if held is None else f"held by {_OF_KIND.get(held, held)}"
    # A restarted process keeps its name: it is the life that claimed which held the job.
    life = story.processes[holder].life_at(claim.at_s) if holder in story.processes else None
    gone = None if life is None else life.exit
    ended = "" if gone is None else f", which ended at {seconds(gone):.3f} s"
    by = "held by the lease of" if held == "lease" else "held nowhere; its holder was"
    return f"{by} {holder}{ended}"


_OF_KIND: Mapping[str, str] = {
    "lease": "a lease",
    "queue": "the queue",
    "upload": "an upload that may still come",
    "registry": "a list of the system's own",
    "dead_letter": "the dead letters",
    "process": "a process that is at it, and nowhere else",
    "unknown": "nobody that we can see, which may mean anything",
}
