"""Whom a blow hit, and who claimed them next."""

from __future__ import annotations

from typing import NamedTuple

from unstuck.checks.story import Claim, JobStory, Story, Stroke


class Victim(NamedTuple):
    """A job in flight when a blow was dealt. `held` is the claim that it hit; None: it waited."""

    job: JobStory
    held: Claim | None
    next_claim: Claim | None


def victims(story: Story, stroke: Stroke) -> list[Victim]:
    """The jobs that a blow hit while they were in flight.

    Where the blow names its jobs, those; else those whose holder it names; else every job in flight.
    """
    found: list[Victim] = []
    names = stroke.jobs
    for job in story.jobs.values() if names is None else [story.jobs[n] for n in names if n in story.jobs]:
        end_s = job.terminal_at_s
        if not job.moves or job.moves[0].at_s > stroke.struck_s:
            continue
        if end_s is not None and end_s <= stroke.struck_s:
            continue
        held = _held(job, stroke.struck_s)
        hit = stroke.processes
        if names is None and hit is not None and (held is None or held.holder not in hit):
            continue
        later = (claim for claim in job.claims if claim.at_s > stroke.struck_s)
        found.append(Victim(job, held, next(later, None)))
    return found


def _held(job: JobStory, at_s: float) -> Claim | None:
    return next(
        (c for c in job.claims if c.at_s <= at_s and (c.left is None or c.left.at_s > at_s)),
        None,
    )
