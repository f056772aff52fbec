"""Which start of a role counts as which."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.starts import KILLED, scenarios, starts
from unstuck.scenario_file import loads
from unstuck.targets.reference import catalogue

CATALOGUE = catalogue()


def ready(process: str, after_s: float) -> Mapping[str, Any]:
    role = process.rsplit("-", 1)[0]
    return {
        "kind": "process",
        "phase": "ready",
        "process": process,
        "data": {"role": role, "after_s": after_s},
    }


FIRED: Mapping[str, Any] = {"kind": "fault", "phase": "fired", "data": {}}


def test_starts_are_told_apart() -> None:
    """What starts before the first blow starts at once with others; a worker's name is taken again."""
    events = [
        ready("api-1", 0.07),
        ready("worker-1", 0.06),
        FIRED,
        ready("api-1", 0.03),
        ready("worker-1", 0.4),
        ready("worker-2", 0.02),
    ]
    assert list(starts(events)) == [
        ("api", "at once", 0.07),
        ("worker", "at once", 0.06),
        ("api", "alone", 0.03),
        ("worker", "again", 0.4),
        ("worker", "alone", 0.02),
    ]


def test_what_is_measured_are_scenarios() -> None:
    """Each role is killed once, by itself."""
    files = {name: loads(text, Path(name), CATALOGUE) for name, text in scenarios().items()}
    assert len(files["killed.yaml"].base_case().faults) == len(KILLED)
