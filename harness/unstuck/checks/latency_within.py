"""Jobs of a kind are done in time, counted from when the service could have begun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural, spread
from unstuck.checks.story import JobStory, Story

NAME = "latency_within"
PROMISE = "Each job of the tags that are named ends within so many seconds of its first being queued."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"*": (int, float, dict)}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """Each parameter is a tag of the workload with its seconds, or with `{factor: 0.5, of: other}`: so many
    times as long as the longest of another tag, which holds on a slow machine, too. What was never queued
    is not judged.
    """
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    took: dict[str, list[float]] = {tag: [] for tag in params}
    limits = {tag: _limit(story, demand) for tag, demand in params.items()}
    judged = 0
    for job in story.jobs.values():
        queued_s = _queued_s(job)
        if job.tag not in limits or queued_s is None:
            continue
        judged += 1
        within_s = limits[job.tag]
        end_s = job.terminal_at_s
        took_s = (story.end_s if end_s is None else end_s) - queued_s
        if end_s is not None:
            took[job.tag].append(took_s)
        if took_s > within_s:
            ended = "had not ended" if end_s is None else f"was {job.state}"
            text = f"({job.tag}) {ended} after {took_s:.3f} s, not within {within_s:g} s"
            broken.append(_evidence(job, text, took_s))
        elif end_s is None:
            text = f"({job.tag}) had not ended when the history does, {took_s:.3f} s on"
            unclear.append(_evidence(job, text, took_s))
    longest = ", ".join(f"{tag} {max(values):.3f} s" for tag, values in took.items() if values)
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(judged, 'job')}, the longest: {longest or 'none ended'}",
        broken=broken,
        unclear=unclear,
        figures={name: value for tag, values in took.items() for name, value in spread(tag, values).items()},
    )


def _limit(story: Story, demand: Any) -> float:
    if not isinstance(demand, Mapping):
        return float(demand)
    factor, of = float(demand.get("factor", 1)), demand.get("of")
    took = [
        job.terminal_at_s - queued_s
        for job in story.jobs.values()
        if job.tag == of and job.terminal_at_s is not None and (queued_s := _queued_s(job)) is not None
    ]
    return factor * max(took, default=0.0)


def _queued_s(job: JobStory) -> float | None:
    """When it was first queued; None: never."""
    return next((move.at_s for move in job.moves if move.after == "queued"), None)


def _evidence(job: JobStory, text: str, took_s: float) -> Evidence:
    return Evidence(job=job.id, message=text, events=job.last_event, facts={"took_s": took_s})
