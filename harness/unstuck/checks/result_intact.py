"""A succeeded job has outputs that can be watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import JobStory, Story

NAME = "result_intact"
PROMISE = (
    "A succeeded job's outputs exist, decode, have the expected duration, streams and pictures, "
    "and sound in step."
)
PARAMETERS: Mapping[str, tuple[type, ...]] = {
    "tolerance_s": (int, float),
    "ahead_s": (int, float),
    "behind_s": (int, float),
}

TOLERANCE_S = 0.25  # a few frames, which a cut at key frames may cost
# EBU Recommendation R37 (2007): over a whole programme chain the sound may come up to 40 ms before the
# picture and up to 60 ms after it. ITU-R BT.1359-1 has viewers notice from 45 ms before and 125 ms after.
AHEAD_S = 0.040
BEHIND_S = 0.060


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """Judges what our own final look decoded. `tolerance_s`: by how much a duration may differ; `ahead_s` and
    `behind_s`: by how much the sound may come sooner or later against the pictures than the source has it.
    """
    tolerance_s = float(params.get("tolerance_s", TOLERANCE_S))
    step_s = (float(params.get("ahead_s", AHEAD_S)), float(params.get("behind_s", BEHIND_S)))
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    jobs = [job for job in story.jobs.values() if job.state == "succeeded"]
    for job in jobs:
        result = None if job.outcome is None else job.outcome.data.get("result")
        if job.outcome is None or not isinstance(result, Mapping):
            message = "succeeded, and nobody looked at its outputs"
            unclear.append(Evidence(job=job.id, message=message, events=job.last_event))
        elif (fault := _fault(result, tolerance_s, step_s)) is not None:
            broken.append(_finding(job, job.outcome.number, fault, result))
    intact = len(jobs) - len(broken) - len(unclear)
    return conclude(
        NAME,
        judged=len(jobs),
        summary=f"outputs of {intact} of {plural(len(jobs), 'succeeded job')} are intact",
        broken=broken,
        unclear=unclear,
    )


def _fault(result: Mapping[str, Any], tolerance_s: float, step_s: tuple[float, float]) -> str | None:
    """The first thing that is wrong with a result; None: nothing."""
    problem = result.get("problem")
    because = f" ({problem})" if problem else ""
    streams, wanted = result.get("streams"), result.get("expected_streams")
    rules = (
        (result.get("exists") is not True, f"its outputs do not exist{because}"),
        (result.get("decodes") is not True, f"its outputs do not decode{because}"),
        (not streams, "its output has no streams"),
        (bool(wanted) and not _same(streams, wanted), f"its output has the streams {streams}, not {wanted}"),
        (bool(problem), str(problem)),
    )
    first = next((fault for is_so, fault in rules if is_so), None)
    return (
        first or _duration_fault(result, tolerance_s) or _picture_fault(result) or _step_fault(result, step_s)
    )


def _same(streams: Any, wanted: Any) -> bool:
    """The same kinds as often, in any order."""
    return isinstance(wanted, list) and sorted(map(str, streams)) == sorted(map(str, wanted))


def _duration_fault(result: Mapping[str, Any], tolerance_s: float) -> str | None:
    lasts_s, expected_s = result.get("duration_s"), result.get("expected_duration_s")
    if not isinstance(expected_s, int | float):
        return None
    if not isinstance(lasts_s, int | float):
        return "its output has no duration"
    if abs(lasts_s - expected_s) <= tolerance_s:
        return None
    return f"its output lasts {lasts_s:.3f} s, not {expected_s:.3f} s"


def _picture_fault(result: Mapping[str, Any]) -> str | None:
    """A gap in the middle changes neither duration nor streams, and sound beside it is in step."""
    count, wanted = result.get("pictures"), result.get("expected_pictures")
    if not isinstance(wanted, int) or count == wanted:
        return None
    return f"its output has {count if isinstance(count, int) else 'no'} pictures, not {wanted}"


def _step_fault(result: Mapping[str, Any], step_s: tuple[float, float]) -> str | None:
    behind_s, (ahead_most_s, behind_most_s) = result.get("sound_behind_s"), step_s
    if not isinstance(behind_s, int | float) or -ahead_most_s <= behind_s <= behind_most_s:
        return None
    way, most_s = ("behind", behind_most_s) if behind_s > 0 else ("ahead of", ahead_most_s)
    return f"its sound comes {abs(behind_s):.3f} s {way} its pictures (at most {most_s:.3f} s)"


def _finding(job: JobStory, looked: int, fault: str, result: Mapping[str, Any]) -> Evidence:
    events = (*job.last_event, looked)
    return Evidence(job=job.id, message=f"succeeded, but {fault}", events=events, facts=dict(result))
