"""When a fault fires: pure matching of triggers against events and test points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.history import Event
from unstuck.runner.live import Live
from unstuck.scenario import OnFault, OnMessage, OnOp, OnPoint, OnState, Trigger


def rule_id(fault: int) -> str:
    """The name of the link rule that serves a fault's message trigger."""
    return f"fault-{fault}"


def matches(fault: int, when: Trigger, event: Event, live: Live) -> bool:
    """True when `event` is one that the trigger counts. Held places and times never match here."""
    match when:
        case OnState(hold=False, state=state, stage=stage, attempt=attempt, job=job):
            if event.kind == "stage":
                moved = stage is not None and event.data.get("stage") == stage
            else:
                moved = event.kind == "transition" and stage is None and event.data.get("to") == state
            counted = attempt is None or event.data.get("attempt") == attempt
            return moved and counted and live.is_tagged(event.job, job)
        case OnOp(op=op, phase=phase, job=job):
            return (
                event.kind == "op"
                and event.phase == phase
                and event.data.get("action") == op
                # Before its answer an announcement has a tag, and no job yet.
                and (event.data.get("tag") == job or live.is_tagged(event.job, job))
            )
        case OnFault(fault=other, phase=phase):
            return event.kind == "fault" and event.phase == phase and event.data.get("fault") == other
        case OnMessage():
            return (
                event.kind == "message"
                and event.phase == "matched"
                and event.data.get("rule") == rule_id(fault)
            )
        case _:
            return False


def fits(place: OnPoint, point: str, job: str | None, facts: Mapping[str, Any], live: Live) -> bool:
    """True when a process that reached `point` stands where the trigger waits."""
    return (
        point == place.point
        and live.is_tagged(job, place.job)
        and (place.stage is None or facts.get("stage") == place.stage)
        and (place.attempt is None or facts.get("attempt") == place.attempt)
    )
