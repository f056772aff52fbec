"""No more jobs wait at a time than are allowed: what cannot be done in time is not taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import Story

NAME = "backlog_within"
PROMISE = "Never do more jobs wait at a time than the scenario allows."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"most": (int,), "tag": (str,)}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """`most`: jobs that are queued at one moment; absent: there is nothing to judge. `tag`: of those with
    this tag only.
    """
    tag = params.get("tag")
    moves = sorted(
        (move.number, job.id, move)
        for job in story.jobs.values()
        if tag is None or job.tag == tag
        for move in job.moves
    )
    waiting: set[str] = set()
    seen: set[str] = set()
    highest, at_event, at_s = 0, 0, 0.0
    for number, job_id, move in moves:
        if move.after == "queued":
            waiting.add(job_id)
            seen.add(job_id)
        else:
            waiting.discard(job_id)
        if len(waiting) > highest:
            highest, at_event, at_s = len(waiting), number, move.at_s
    broken = []
    if "most" in params and highest > int(params["most"]):
        message = f"{plural(highest, 'job')} waited at {at_s:.3f} s, {params['most']} are allowed"
        broken.append(Evidence(job=None, message=message, events=(at_event,)))
    return conclude(
        NAME,
        judged=len(seen) if "most" in params else 0,
        summary=f"of {plural(len(seen), 'job')} at most {highest} waited at a time",
        broken=broken,
        figures={"highest": highest},
    )
