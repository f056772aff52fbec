"""Jobs of a kind are done in time, counted from when the service could have begun."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_high
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural, spread
from unstuck.checks.story import JobStory, Story

NAME = "latency_within"
PROMISE = "Each job of the tags that are named ends within so many seconds of its first being queued."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"*": (int, float, dict)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """How long a job has taken since it was first queued; `ended` false: at least so long."""

    job: JobStory
    took_s: float
    ended: bool


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """Each parameter is a tag of the workload with its seconds, or with `{factor: 0.5, of: other}`: so many
    times as long as the longest of another tag, which holds on a slow machine, too. With `by: median` the
    two groups are compared by their medians. What was never queued is not judged.
    """
    taken = [one for job in story.jobs.values() if (one := _taken(story, job)) is not None]
    groups = {tag: [one for one in taken if one.job.tag == tag] for tag in params}
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    for tag, demand in params.items():
        compared = isinstance(demand, Mapping)
        others = [one for one in taken if one.job.tag == demand["of"]] if compared else []
        judge = _judge_median if compared and demand.get("by") == "median" else _judge_each
        found, open_ = judge(groups[tag], others, demand)
        broken += found
        unclear += open_
    judged = sum(map(len, groups.values()))
    ended = {tag: [one.took_s for one in group if one.ended] for tag, group in groups.items()}
    longest = ", ".join(f"{tag} {max(values):.3f} s" for tag, values in ended.items() if values)
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(judged, 'job')}, the longest: {longest or 'none ended'}",
        broken=broken,
        unclear=unclear,
        figures={name: value for tag, values in ended.items() for name, value in spread(tag, values).items()},
    )


def _judge_each(
    group: Sequence[_Taken], others: Sequence[_Taken], demand: Any
) -> tuple[list[Evidence], list[Evidence]]:
    """Broken and unclear: each job against the seconds, or against the longest of the others."""
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    compared = isinstance(demand, Mapping)
    longest_s = max((one.took_s for one in others), default=math.inf)
    within_s = float(demand.get("factor", 1)) * longest_s if compared else float(demand)
    settled = not compared or (bool(others) and all(one.ended for one in others))
    for one in group:
        ended = f"was {one.job.state}" if one.ended else "had not ended"
        if one.took_s > within_s and settled:
            text = f"({one.job.tag}) {ended} after {one.took_s:.3f} s, not within {within_s:g} s"
            broken.append(_evidence(one, text))
        elif one.took_s > within_s or (not others and compared):
            text = f"({one.job.tag}) {ended} after {one.took_s:.3f} s, and there is no telling how long "
            unclear.append(_evidence(one, f"{text}those of {demand['of']} take"))
        elif not one.ended:
            text = f"({one.job.tag}) had not ended when the history does, {one.took_s:.3f} s on"
            unclear.append(_evidence(one, text))
    return broken, unclear


def _judge_median(
    group: Sequence[_Taken], others: Sequence[_Taken], demand: Mapping[str, Any]
) -> tuple[list[Evidence], list[Evidence]]:
    """Broken and unclear: at most one, of a job in the middle of its group."""
    if not group:
        return [], []
    factor = float(demand["factor"])
    middle = sorted(group, key=lambda one: one.took_s)[len(group) // 2]
    least_s, most_s = _medians(group)
    other_least_s, other_most_s = _medians(others)
    tag, of = middle.job.tag, demand["of"]
    text = f"({tag}) the median of {plural(len(group), 'job')} is {least_s:.3f} s"
    if least_s > factor * other_most_s:
        than = f"more than {factor:g} times the {other_most_s:.3f} s of {of}"
        return [_evidence(middle, f"{text}, {than}")], []
    if most_s > factor * other_least_s:
        return [], [_evidence(middle, f"{text} or more: too few of {tag} and {of} had ended")]
    return [], []


def _medians(group: Sequence[_Taken]) -> tuple[float, float]:
    """The least and the most that the median can be, when those that have not ended take as long as they
    like; of nobody anything.
    """
    if not group:
        return 0.0, math.inf
    return (
        median_high(one.took_s for one in group),
        median_high(one.took_s if one.ended else math.inf for one in group),
    )


def _taken(story: Story, job: JobStory) -> _Taken | None:
    queued_s, end_s = _queued_s(job), job.terminal_at_s
    if queued_s is None:
        return None
    took_s = (story.end_s if end_s is None else end_s) - queued_s
    return _Taken(job=job, took_s=took_s, ended=end_s is not None)


def _queued_s(job: JobStory) -> float | None:
    """When it was first queued; None: never."""
    return next((move.at_s for move in job.moves if move.after == "queued"), None)


def _evidence(one: _Taken, text: str) -> Evidence:
    return Evidence(job=one.job.id, message=text, events=one.job.last_event, facts={"took_s": one.took_s})
