"""Which start of a role counts as which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.starts import KILLED, scenarios, starts
from unstuck.scenario_file import loads
from unstuck.targets.reference import catalogue

CATALOGUE = catalogue()


def event(phase: str, process: str, after_s: float | None = None) -> Mapping[str, Any]:
    data = {"role": process.rsplit("-", 1)[0], "after_s": after_s}
    return {"kind": "process", "phase": phase, "process": process, "data": data}


def started(process: str, after_s: float) -> Sequence[Mapping[str, Any]]:
    return event("start", process), event("ready", process, after_s)


FIRED: Mapping[str, Any] = {"kind": "fault", "phase": "fired", "process": None, "data": {}}


def test_starts_are_told_apart() -> None:
    """What starts before the first blow starts at once with others; a worker's name is taken again."""
    events = [
        *started("api-1", 0.07),
        *started("worker-1", 0.06),
        event("start", "relay-1"),
        FIRED,
        event("ready", "relay-1", 0.05),
        *started("api-1", 0.03),
        event("start", "worker-1"),
        *started("worker-1", 0.4),
        *started("worker-2", 0.02),
    ]
    assert list(starts(events)) == [
        ("api", "at once", 0.07),
        ("worker", "at once", 0.06),
        ("relay", "at once", 0.05),
        ("api", "alone", 0.03),
        ("worker", "again", 0.4),
        ("worker", "alone", 0.02),
    ]


def test_what_is_measured_are_scenarios() -> None:
    """Each role is killed once, by itself."""
    files = {name: loads(text, Path(name), CATALOGUE) for name, text in scenarios().items()}
    assert len(files["killed.yaml"].base_case().faults) == len(KILLED)
