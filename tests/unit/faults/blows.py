"""Brings a trigger about, and says how the blow ended; faults as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.unit.runner.stage import Stage, Stand
from unstuck.scenario import OnMessage, OnPoint, OnState, Scenario, Trigger
from unstuck.scenario_file import loads
from unstuck.targets.reference import catalogue

PLACE = OnPoint(point="worker.stage.started")
ACTIVE = OnState(state="active")
MESSAGE = OnMessage(message="*", link="relay.queue")


def struck(made: Stage, when: Trigger = PLACE) -> Stand:
    """Brings the trigger about: a job is active, and stands at the place if the trigger is one."""
    made.begin()
    made.job()
    stand = made.stand() if isinstance(when, OnPoint) else Stand()
    made.after(0.5)
    return stand


def landed(made: Stage) -> Mapping[str, Any]:
    [event] = made.history.of("fault", "landed")
    assert not made.history.of("fault", "missed")
    return event.data


def why_missed(made: Stage) -> str:
    [event] = made.history.of("fault", "missed")
    assert not made.history.of("fault", "landed")
    assert made.engine.error is None
    return str(event.data["why"])


def written(fault: str) -> Scenario:
    """Of a file in which it strikes after a second. Raises `ScenarioError`."""
    text = f"""\
name: struck
summary: Something is done to the service.
workload:
  - upload: {{count: 1}}
faults:
  - when: {{at_s: 1}}
    {fault}
expect:
  no_job_lost: {{}}
"""
    [scenario] = loads(text, Path("s.yaml"), catalogue()).scenarios
    return scenario
