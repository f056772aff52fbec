"""What the engine keeps of each fault: how far it has come, and the blows that are under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.runner.hand import RunnerHand
from unstuck.scenario import Fault


@dataclass(slots=True)
class Armed:
    """A fault of the plan, and how often its trigger has matched and it has fired."""

    fault: Fault
    matched: int = 0
    fired: int = 0


@dataclass(slots=True, eq=False)
class Stroke:
    """One blow, from the moment when it fires until it is over: landed, missed, or healed if it lasts."""

    about: Mapping[str, Any]  # which fault, and which blow of it: on each of its events
    index: int
    hand: RunnerHand
    lasting: bool = False
    healing: bool = False  # somebody heals it, or has
