"""Every job ends: in a terminal state before the recovery budget is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from unstuck.checks.no_job_lost import may_be_lost
from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import Claim, JobStory, Story, data_of, seconds, text_of
from unstuck.history import Event

NAME = "every_job_terminal"
PROMISE = "Every job reaches a terminal state within the recovery budget."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"within_s": (int, float)}


class Mover(NamedTuple):
    """Who moves a job on. `role`: of which some process has to be there; None: the one that holds the job.
    `defence`: what it does it by, where that can be off."""

    text: str
    role: str | None
    defence: str | None = None


# Who moves a job on from each state that is not final.
MOVED_ON_BY: Mapping[str, tuple[Mover, ...]] = {
    "awaiting_upload": (
        Mover("the API when the upload is completed", "api"),
        Mover("the relay when it hears of the object", "relay"),
        Mover("the sweeper at the upload's deadline", "sweeper", "upload_expiry"),
    ),
    "queued": (
        Mover(
            "a worker that claims it, after its event or after the sweeper has published that again", "worker"
        ),
    ),
    "active": (
        Mover("the worker that holds its lease", None),
        Mover("the sweeper once the lease has expired", "sweeper", "lease_recovery"),
    ),
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
    """What should have moved a job on from where it is, of what was there and switched on; empty: nothing has
    to, or nobody says."""
    if not job.sampled:
        return _movers(story, job)
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


def _movers(story: Story, job: JobStory) -> str:
    left: list[str] = []
    missing: list[str] = []
    for mover in MOVED_ON_BY.get(job.state or "", ()):
        why = _why_not(story, job, mover)
        if why is None:
            left.append(mover.text)
        else:
            missing.append(why)
    if left:
        return ", or ".join(filter(None, (", ".join(left[:-1]), left[-1])))
    return f"nobody: {', '.join(missing)}" if missing else ""


def _why_not(story: Story, job: JobStory, mover: Mover) -> str | None:
    """Why it cannot move the job on: it is off, or dead; None: it can, as far as anybody saw."""
    off = data_of(story.run.start).get("defences_off")
    if mover.defence is not None and isinstance(off, list) and mover.defence in off:
        return f"{mover.defence} is off"
    if mover.role is None:
        claim = job.claims[-1] if job.claims else None
        return f"{claim.holder} has ended" if claim is not None and _gone(story, claim) else None
    of_role = (process for process in story.processes.values() if process.role == mover.role)
    ends = [process.lives[-1].exit for process in of_role if process.lives]
    over = story.run.end
    gone = [end is not None and (over is None or end.number < over.number) for end in ends]
    return f"no {mover.role} is left" if gone and all(gone) else None


def _gone(story: Story, claim: Claim) -> Event | None:
    """The end of the life that claimed: a restarted process keeps its name, and holds nothing of before."""
    process = story.processes.get(claim.holder or "")
    life = None if process is None else process.life_at(claim.at_s)
    gone, over = None if life is None else life.exit, story.run.end
    return None if gone is None or (over is not None and gone.number > over.number) else gone


def _held(story: Story, job: JobStory) -> str:
    if job.outcome is None:
        return "and nobody looked who holds it"
    held = text_of(job.outcome, "held")
    claim = job.claims[-1] if job.claims and job.state == "active" else None
    holder = None if claim is None else claim.holder
    if claim is None or holder is None or held not in (None, "lease"):
        return "held nowhere" if held is None else f"held by {_OF_KIND.get(held, held)}"
    gone = _gone(story, claim)
    role = None if gone is None else story.processes[holder].role
    ended = "" if gone is None else f" (that {role or 'process'} ended at {seconds(gone):.3f} s)"
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
