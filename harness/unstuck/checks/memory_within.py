"""Processes stay below their memory limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import ProcessStory, Story

NAME = "memory_within"
PROMISE = "No process uses more memory than its limit, or the declared part of it."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"role": (str,), "below": (int, float)}

MIB = 1024 * 1024


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """`below`: part of the limit that may be used (1.0). `role`: judge this role only.

    Judges processes that have a limit and were sampled. The harness's own balloons are no fault of a
    process: where one landed, that process is left out.
    """
    below = float(params.get("below", 1.0))
    ballooned = _ballooned(story)
    broken: list[Evidence] = []
    judged = 0
    highest = 0.0
    for process in story.processes.values():
        if params.get("role") not in (None, process.role) or process.name in ballooned:
            continue
        peak = _peak(process)
        if peak is None:
            continue
        judged += 1
        number, used, limit = peak
        highest = max(highest, used / limit)
        if used > limit * below:
            message = (
                f"{process.name} used {used / MIB:.1f} MiB of {limit / MIB:.1f} MiB, "
                f"more than {below:.0%} of its limit"
            )
            broken.append(Evidence(job=None, message=message, events=(number,)))
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(judged, 'process')} used at most {highest:.0%} of their limit, {below:.0%} allowed",
        broken=broken,
        figures={"highest_part": highest},
    )


def _ballooned(story: Story) -> frozenset[str]:
    return frozenset(
        name
        for fault in story.faults.values()
        if fault.name.startswith("allocate")
        for stroke in fault.strokes
        for name in (stroke.landed.process, *(stroke.processes or ()))
        if name is not None
    )


def _peak(process: ProcessStory) -> tuple[int, int, int] | None:
    """The sample nearest its limit (or beyond): event, bytes used, limit in bytes."""
    samples: list[tuple[int, int, int]] = []
    for event in process.usage:
        limit = event.data.get("limit_bytes")
        used = event.data.get("rss_bytes_max", event.data.get("rss_bytes"))
        if isinstance(limit, int) and limit > 0 and isinstance(used, int):
            samples.append((event.number, used, limit))
    return max(samples, key=lambda sample: sample[1] / sample[2], default=None)
