"""What was done before a crash is not done again, but for a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Story, text_of
from unstuck.history import Event
from unstuck.scenario import UNIT_DONE

NAME = "rework_within"
PROMISE = "No job that is claimed again does more of its work twice than allowed."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"units_max": (int,), "ratio_max": (int, float)}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """`units_max`: frames and items of one job that may be done more than once. `ratio_max`: the same, as a
    part of those that it has at all.

    Judges jobs that were claimed more than once. A unit is one that the job's process was seen to have
    finished, at the test point behind it; the service's own count is not asked.
    """
    units_max, ratio_max = params.get("units_max"), params.get("ratio_max")
    bounded = units_max is not None or ratio_max is not None
    done = _units(story)
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    judged = again_in_all = once_in_all = 0
    for job in story.jobs.values():
        events = done.get(job.id, {})
        if len(job.claims) < 2 or not events:
            continue
        once, again = len(events), sum(len(numbers) - 1 for numbers in events.values())
        once_in_all, again_in_all = once_in_all + once, again_in_all + again
        judged += bounded
        twice = tuple(number for numbers in events.values() for number in numbers[1:])
        if (units_max is not None and again > units_max) or (
            ratio_max is not None and again > ratio_max * once
        ):
            broken.append(_evidence(job, once, again, twice, params))
        elif bounded and not job.terminal and not story.run.played_out:
            unclear.append(Evidence(job=job.id, message=f"is {job.state}, and may yet do more of it again"))
    part = again_in_all / once_in_all if once_in_all else 0.0
    who = f"{plural(judged, 'job')} that {'was' if judged == 1 else 'were'} claimed again"
    return conclude(
        NAME,
        judged=judged,
        summary=f"{who} did {again_in_all} of {plural(once_in_all, 'unit')} twice ({part:.0%})",
        broken=broken,
        unclear=unclear,
        figures={"rework_units": again_in_all, "rework_part": part} if once_in_all else {},
    )


Unit = tuple[str | None, int]  # stage and position


def _units(story: Story) -> Mapping[str, Mapping[Unit, list[int]]]:
    """Of each job, its units, and the events that say that each was done."""
    found: dict[str, dict[Unit, list[int]]] = {}
    for process in story.processes.values():
        for event in process.points:
            unit = _unit(event)
            if unit is not None and event.job is not None:
                found.setdefault(event.job, {}).setdefault(unit, []).append(event.number)
    return found


def _unit(event: Event) -> Unit | None:
    position = event.data.get("position")
    if event.phase != "reached" or event.data.get("point") != UNIT_DONE or not isinstance(position, int):
        return None
    return text_of(event, "stage"), position


def _evidence(
    job: JobStory, once: int, again: int, twice: tuple[int, ...], params: Mapping[str, Any]
) -> Evidence:
    allowed = [f"{params['units_max']} units"] if "units_max" in params else []
    allowed += [f"{params['ratio_max']:.0%}"] if "ratio_max" in params else []
    message = (
        f"did {again} of {plural(once, 'unit')} again ({again / once:.0%}) "
        f"in {plural(len(job.claims), 'attempt')}, {' and '.join(allowed)} allowed"
    )
    return Evidence(job=job.id, message=message, events=twice)
