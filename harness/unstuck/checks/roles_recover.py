"""The processes of the service come back, and stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude, plural
from unstuck.checks.story import ProcessStory, Story, seconds, text_of

NAME = "roles_recover"
PROMISE = "Every process that a fault or its own end has taken is back, and none restarts without end."
PARAMETERS: Mapping[str, tuple[type, ...]] = {"unlive_most": (int,)}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """Judges every process that ended and was not meant to stay away. One that the supervisor gave up on, and
    a role that was not up again when the recovery budget had to begin, break it.

    `unlive_most`: so often at most may the supervisor kill one that did not answer its liveness probe;
    with it every process that was ever probed is judged.
    """
    broken: list[Evidence] = []
    judged = 0
    for process in story.processes.values():
        ends = [life.exit for life in process.lives if life.exit is not None]
        if not ends:
            continue
        judged += 1
        given_up = next((end for end in ends if _given_up(text_of(end, "restart"))), None)
        if given_up is not None:
            starts = len(process.lives)
            message = f"{process.name} has crashed {starts} times, and is not started any more"
            broken.append(Evidence(job=None, message=message, events=(given_up.number,)))
    unlive = [
        life.exit
        for process in story.processes.values()
        for life in process.lives
        if life.exit is not None and life.exit.data.get("unlive") is True
    ]
    if "unlive_most" in params:
        judged = max(judged, len(story.processes))
        if len(unlive) > int(params["unlive_most"]):
            first = unlive[0]
            message = (
                f"{first.process} did not answer its probe, and was killed at {seconds(first):.3f} s: "
                f"{plural(len(unlive), 'time')} in all, {params['unlive_most']} allowed"
            )
            events = tuple(event.number for event in unlive)
            broken.append(Evidence(job=None, message=message, events=events))
    for event in story.down:
        roles = event.data.get("roles")
        names = ", ".join(map(str, roles)) if isinstance(roles, list) else "a role"
        message = f"{names} was not up again at {seconds(event):.3f} s: it crashes as often as it starts"
        broken.append(Evidence(job=None, message=message, events=(event.number, *_crashes(story, roles))))
    lives = sum(max(0, len(process.lives) - 1) for process in story.processes.values())
    return conclude(
        NAME,
        judged=judged,
        summary=f"{plural(judged, 'process')} ended and {plural(lives, 'start')} followed",
        broken=broken,
        figures={"restarts": lives},
    )


def _given_up(why: str | None) -> bool:
    return why is not None and why.startswith("starts_max")


def _crashes(story: Story, roles: object) -> tuple[int, ...]:
    """The last exits of the processes of these roles."""
    names = roles if isinstance(roles, list) else []
    found = [_last_exit(process) for process in story.processes.values() if process.role in names]
    return tuple(number for number in found if number is not None)


def _last_exit(process: ProcessStory) -> int | None:
    ends = [life.exit.number for life in process.lives if life.exit is not None]
    return ends[-1] if ends else None
