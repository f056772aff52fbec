"""Nobody takes a job from a worker that is alive and at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import Claim, JobStory, Life, ProcessStory, Story, seconds

NAME = "no_live_job_rescued"
PROMISE = "No job is taken from a holder that lives, is not paused, and did not hand it back."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges each stay in `active` whose holder was a process of ours, alive all the while, and that no
    fault had its hand in. Who ended it is taken from the service's own log.
    """
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    judged = 0
    for job in story.jobs.values():
        actors = {move.number: actor for move, actor in zip(job.moves, job.actors(), strict=True)}
        for claim in job.claims:
            if not held_by_the_living(story, job, claim):
                continue
            judged += 1
            left = claim.left
            if left is None or left.by_hand or left.after not in ("queued", "failed"):
                continue
            claimer, taker = actors[claim.move.number], actors[left.number]
            events = (claim.move.number, left.number)
            if claimer is None or taker is None:
                message = f"left the living {claim.holder} at {left.at_s:.3f} s; nothing says by whom"
                unclear.append(Evidence(job=job.id, message=message, events=events))
            elif taker != claimer:
                message = (
                    f"was made {left.after} by {taker} at {left.at_s:.3f} s, "
                    f"while {claim.holder} was alive and held it since {claim.at_s:.3f} s"
                )
                broken.append(Evidence(job=job.id, message=message, events=events))
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(judged, 'claim')} of live holders, {len(broken)} taken from them",
        broken=broken,
        unclear=unclear,
    )


def held_by_the_living(story: Story, job: JobStory, claim: Claim) -> bool:
    """True when the holder of a claim could renew its lease all the while."""
    process = None if claim.holder is None else story.processes.get(claim.holder)
    life = None if process is None else process.life_at(claim.at_s)
    if process is None or life is None:
        return False
    until_s = story.end_s if claim.left is None else claim.left.at_s
    return (
        life.alive_s(until_s)
        and not life.paused(claim.at_s, until_s)
        and not _stood_still(process, life, claim.at_s, until_s)
        and not _meddled(story, job, process, claim.at_s, until_s)
    )


def _stood_still(process: ProcessStory, life: Life, from_s: float, until_s: float) -> bool:
    """True when the process itself was held at a test point for any part of that time.

    A point inside a stage holds the executing child only: the lease is renewed meanwhile.
    """
    open_since: dict[Any, float] = {}
    for event in process.points:
        name = event.data.get("point")
        if "stage" in event.data or event.number < life.begun.number or seconds(event) >= until_s:
            continue
        if event.phase == "reached":
            open_since[name] = seconds(event)
        elif open_since.pop(name, until_s) < until_s and seconds(event) > from_s:
            return True
    return bool(open_since)


def _meddled(story: Story, job: JobStory, process: ProcessStory, from_s: float, until_s: float) -> bool:
    """True when a fault may have kept the holder from renewing its lease.

    A lasting fault may reach anybody (a link that is down); others are seen in the holder's exit, or name
    the holder or the job of a claim that was held then.
    """
    for fault in story.faults.values():
        for stroke in fault.strokes:
            lasts = stroke.healed is not None
            over_s = stroke.over_s if lasts else stroke.struck_s
            if stroke.struck_s >= until_s or over_s < from_s:
                continue
            if lasts or process.name in (stroke.processes or ()) or job.id in (stroke.jobs or ()):
                return True
    return False
