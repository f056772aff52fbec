"""The service's alerts fire when they should, and are quiet when they should not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unstuck.checks.port import Evidence, PropertyResult
from unstuck.checks.result import conclude
from unstuck.checks.story import Story, seconds
from unstuck.history import Event

NAME = "alerts"
PROMISE = (
    "The alerts that the scenario names fire, those that it says are quiet never do, and those end that must."
)
PARAMETERS: Mapping[str, tuple[type, ...]] = {"fires": (list,), "quiet": (list,), "ends": (list,)}


def check(story: Story, params: Mapping[str, Any]) -> PropertyResult:
    """Each parameter is a list of names of the service's rules: `fires` at least once; `quiet`, never;
    `ends`, it fired and was quiet again at the end. With none of the three there is nothing to judge.

    A rule that nobody evaluated was not quiet: nothing is known of it.
    """
    broken: list[Evidence] = []
    unclear: list[Evidence] = []
    judged = 0
    for expected, fault_of in (("fires", _silent), ("quiet", _loud), ("ends", _unending)):
        for name in params.get(expected, ()):
            judged += 1
            fault = fault_of(str(name), story.alerts.get(str(name), []), story)
            if fault is not None:
                definite, evidence = fault
                (broken if definite else unclear).append(evidence)
    return conclude(
        NAME,
        judged=judged,
        summary=_summary(story),
        broken=broken,
        unclear=unclear,
        figures={"fired": sum(any(map(_fires, changes)) for changes in story.alerts.values())},
    )


Fault = tuple[bool, Evidence] | None  # whether the history settles it, and what is wrong


def _silent(name: str, changes: Sequence[Event], story: Story) -> Fault:
    if any(_fires(event) for event in changes):
        return None
    message = f"{name} never fired" + ("" if changes else ", and nobody evaluated it")
    return story.run.played_out, _evidence(message, changes)


def _loud(name: str, changes: Sequence[Event], story: Story) -> Fault:
    loud = [event for event in changes if _fires(event)]
    if loud:
        first = loud[0]
        value, threshold = first.data.get("value"), first.data.get("threshold")
        message = f"{name} fired at {seconds(first):.3f} s: its value was {value}, above {threshold}"
        return True, _evidence(message, loud)
    if not changes:
        return False, _evidence(f"{name} was not evaluated: that it was quiet says nothing", changes)
    return None if story.run.played_out else (False, _evidence(f"{name} was quiet so far", changes))


def _unending(name: str, changes: Sequence[Event], story: Story) -> Fault:
    if not any(_fires(event) for event in changes):
        return _silent(name, changes, story)
    if not _fires(changes[-1]):
        return None
    since_s = seconds(changes[-1])
    return story.run.played_out, _evidence(
        f"{name} has fired since {since_s:.3f} s, and has not ended", changes
    )


def _fires(event: Event) -> bool:
    return event.phase == "firing"


def _evidence(message: str, events: Sequence[Event]) -> Evidence:
    return Evidence(job=None, message=message, events=tuple(event.number for event in events))


def _summary(story: Story) -> str:
    """`3 rules were evaluated; orphans fired`."""
    fired = sorted(name for name, changes in story.alerts.items() if any(map(_fires, changes)))
    count = len(story.alerts)
    return f"{count} rule{'' if count == 1 else 's'} evaluated; {', '.join(fired) or 'none'} fired"
