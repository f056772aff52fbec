"""No job that a client was told of vanishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude
from unstuck.checks.story import JobStory, Story
from unstuck.scenario import TERMINAL_STATES

NAME = "no_job_lost"
PROMISE = "Every job that a client was told of is, at the end, terminal or held somewhere."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges every job whose submission was answered ok, by our own final look at it."""
    jobs = [job for job in story.jobs.values() if job.acknowledged is not None]
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    for job in jobs:
        if job.outcome is None:
            # A terminal state is final, so that it needs no last look.
            if not job.terminal:
                unclear.append(Evidence(job=job.id, message="was not looked at in the end"))
        elif (loss := lost(job)) is not None:
            events = tuple(
                n for n in (job.acknowledged, *job.last_event, job.outcome.number) if n is not None
            )
            broken.append(Evidence(job=job.id, message=loss, events=tuple(dict.fromkeys(events))))
    return conclude(
        NAME,
        judged=len(jobs),
        summary=f"{len(jobs) - len(broken) - len(unclear)} of {len(jobs)} acknowledged jobs accounted for",
        broken=broken,
        unclear=unclear,
        figures={"acknowledged": len(jobs), "lost": len(broken)},
    )


def lost(job: JobStory) -> str | None:
    """How a job is lost by our final look at it; None: it is not, or nobody looked."""
    if job.outcome is None:
        return None
    state = job.outcome.data["state"]
    if state is None:
        return "was acknowledged, and the service does not know it"
    if state in TERMINAL_STATES or job.outcome.data["held"] is not None:
        return None
    return f"was acknowledged, and is {state} but held nowhere: no lease, no queue, no upload"
