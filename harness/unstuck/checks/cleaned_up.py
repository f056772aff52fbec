"""A job that has ended leaves nothing behind that only its processing needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import Story, data_of

NAME = "cleaned_up"
PROMISE = "A job that has ended leaves no checkpoints, neither their rows nor their objects."
PARAMETERS: Mapping[str, tuple[type, ...]] = {}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:  # noqa: ARG001  takes none
    """Judges every job that was claimed and has ended, where the final look has looked for what it left: it
    does so in runs that expect this property, and waits a while for it to go.
    """
    broken: list[Evidence] = []
    judged = 0
    for job in story.jobs.values():
        left = data_of(job.outcome).get("left")
        if not isinstance(left, Mapping) or not job.terminal or not job.claims:
            continue
        judged += 1
        rows, objects = (int(left.get(what, 0)) for what in ("rows", "objects"))
        if rows or objects:
            message = f"is {job.state}, and has left {plural(rows, 'row')} and {plural(objects, 'object')}"
            broken.append(Evidence(job=job.id, message=message, events=job.last_event))
    return conclude(
        NAME,
        judged=judged,
        summary=f"{judged - len(broken)} of {plural(judged, 'ended job')} left nothing",
        broken=broken,
    )
