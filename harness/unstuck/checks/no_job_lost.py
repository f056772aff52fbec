"""No job that a client was told of vanishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Story
from unstuck.scenario import TERMINAL_STATES

NAME = "no_job_lost"
PROMISE = "Every job that a client was told of is, at the end, terminal or held somewhere."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}

UNSEEN = "is seen nowhere, and by the target's own word that may mean anything"
BLIND = "a job that is seen nowhere counts as done, and the target shows no effects: it may be lost"
UNKNOWN = "was acknowledged, and the service does not know it"


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges every job whose submission was answered ok, by our own final look at it.

    A run that came to its own end has looked at every job that the service knows.
    """
    if not story.run.tells_lost_from_done:
        return replace(conclude(NAME, judged=0, summary=BLIND), summary=BLIND)
    jobs = [job for job in story.jobs.values() if job.acknowledged is not None]
    dropped = 0
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    for job in jobs:
        loss = lost(job, looked=story.run.played_out)
        if loss is not None and may_be_lost(story, job):
            dropped += 1
        elif loss is not None:
            look = () if job.outcome is None else (job.outcome.number,)
            events = dict.fromkeys((job.acknowledged or 0, *job.last_event, *look))
            broken.append(Evidence(job=job.id, message=loss, events=tuple(events)))
        elif job.unread is not None and not job.terminal:
            unclear.append(Evidence(job=job.id, message=f"is {job.unread!r} in the system's words, unmapped"))
        elif job.outcome is not None and job.outcome.data["held"] == "unknown":
            unclear.append(Evidence(job=job.id, message=UNSEEN, events=(job.outcome.number,)))
        elif job.outcome is None and not job.terminal:
            unclear.append(Evidence(job=job.id, message="was not looked at in the end"))
    may = f", {dropped} lost, as at_most_once allows" if dropped else ""
    return conclude(
        NAME,
        judged=len(jobs),
        summary=f"{len(jobs) - len(broken) - len(unclear) - dropped} of "
        f"{plural(len(jobs), 'acknowledged job')} accounted for{may}",
        broken=broken,
        unclear=unclear,
        figures={"acknowledged": len(jobs), "lost": len(broken) + dropped},
    )


def may_be_lost(story: Story, job: JobStory) -> bool:
    """True for a lost job whose loss `at_most_once` allows, which is a promise to lose rather than to repeat:
    something struck while it was in flight, a fault or the end of a process, be it of the child that had
    begun it (which named its pid, and would hold it if it lived). Nobody may lose jobs in peace.
    """
    if story.run.promise != "at_most_once" or lost(job, looked=story.run.played_out) is None:
        return False
    if any("pid" in begin.data for begin in job.begins):
        return True
    blow_s = story.last_blow_s
    return blow_s is not None and (not job.moves or job.moves[0].at_s <= blow_s)


def lost(job: JobStory, *, looked: bool) -> str | None:
    """How an acknowledged job is lost by our final look at it; None: it is not, or nobody knows.

    `looked`: every job that the service knows was looked at.
    """
    if job.outcome is None:
        # A terminal state is final, so that it needs no last look.
        return UNKNOWN if looked and not job.terminal else None
    state = job.outcome.data["state"]
    if state is None:
        return UNKNOWN
    if state in TERMINAL_STATES or job.outcome.data["held"] is not None or job.unread is not None:
        return None
    return f"was acknowledged, and is {state} but held nowhere: no lease, no queue, no upload"
