"""Which events and places a trigger counts."""

from __future__ import annotations

from typing import Any

import pytest

from unstuck.history import Event
from unstuck.runner.live import Live
from unstuck.runner.triggers import fits, matches
from unstuck.scenario import OnFault, OnMessage, OnOp, OnPoint, OnStart, OnState, OnTime, Trigger


def event(kind: str, phase: str | None = None, job: str | None = "j", **data: Any) -> Event:
    return Event(0, 0, kind, phase, job, None, data)


def known() -> Live:
    live = Live()
    live.apply(event("transition", to="queued", tag="big"))
    return live


TO_ACTIVE = event("transition", to="active", attempt=2)
FRAMES = event("stage", stage="frames", attempt=2)
PUT = event("op", "ok", action="put_object")


@pytest.mark.parametrize(
    ("when", "what", "counted"),
    [
        (OnState(state="active"), TO_ACTIVE, True),
        (OnState(state="active", job="big"), TO_ACTIVE, True),
        (OnState(state="active", job="small"), TO_ACTIVE, False),
        (OnState(state="queued"), TO_ACTIVE, False),
        (OnState(state="active", attempt=2), TO_ACTIVE, True),
        (OnState(state="active", attempt=1), TO_ACTIVE, False),
        (OnState(state="active", stage="frames"), TO_ACTIVE, False),
        (OnState(state="active", stage="frames"), FRAMES, True),
        (OnState(state="active", stage="scenes"), FRAMES, False),
        (OnState(state="active"), FRAMES, False),
        (OnState(state="active", hold=True), TO_ACTIVE, False),
        (OnOp(op="put_object"), PUT, True),
        (OnOp(op="put_object", phase="fail"), PUT, False),
        (OnOp(op="cancel"), PUT, False),
        (OnOp(op="put_object", job="small"), PUT, False),
        (OnOp(op="put_object"), TO_ACTIVE, False),
        (OnFault(fault=0, phase="landed"), event("fault", "landed", fault=0), True),
        (OnFault(fault=0, phase="landed"), event("fault", "fired", fault=0), False),
        (OnFault(fault=1, phase="landed"), event("fault", "landed", fault=0), False),
        (OnMessage(message="*", link="a.b"), event("message", "matched", rule="fault-3"), True),
        (OnMessage(message="*", link="a.b"), event("message", "matched", rule="fault-2"), False),
        (OnMessage(message="*", link="a.b"), event("message", "done", rule="fault-3"), False),
        (OnPoint(point="p"), event("point", "reached", point="p"), False),
        (OnTime(at_s=1), TO_ACTIVE, False),
        (OnStart(), TO_ACTIVE, False),
    ],
)
def test_a_trigger_counts_its_own_events(when: Trigger, what: Event, counted: bool) -> None:
    """Kind, phase, state, stage, attempt, tag: all have to fit; places and times are never events."""
    assert matches(3, when, what, known()) is counted


def test_an_announcement_is_selected_by_its_tag_before_it_has_a_job() -> None:
    """The invocation and a refusal name no job: their tag is in the op itself."""
    invoked = event("op", "invoke", None, action="initiate_upload", tag="big")
    assert matches(0, OnOp(op="initiate_upload", phase="invoke", job="big"), invoked, Live())
    assert not matches(0, OnOp(op="initiate_upload", phase="invoke", job="small"), invoked, Live())


@pytest.mark.parametrize(
    ("place", "fitting"),
    [
        (OnPoint(point="p"), True),
        (OnPoint(point="q"), False),
        (OnPoint(point="p", job="big"), True),
        (OnPoint(point="p", job="small"), False),
        (OnPoint(point="p", stage="frames", attempt=2), True),
        (OnPoint(point="p", stage="scenes"), False),
        (OnPoint(point="p", attempt=1), False),
    ],
)
def test_a_place_is_a_point_with_a_job_a_stage_and_an_attempt(place: OnPoint, fitting: bool) -> None:
    """Whatever the trigger does not name may be anything."""
    assert fits(place, "p", "j", {"stage": "frames", "attempt": 2}, known()) is fitting
