"""Takes a role away for a while: all of its processes are stopped, and start again when it is healed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "down"
NEEDS = frozenset({"processes"})
LANDS = "no process of the role is running"
LASTING = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Down for `for_s`, counted from when the last of them is gone."""

    role: str
    for_s: float
    grace_s: float = 1.0


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    names = list(hand.names(parameters.role, "all"))
    if not names:
        raise Missed(f"no process of role {parameters.role} was running")
    hand.memory["down"] = names
    victims = [job for name in names for job in hand.held_by(name)]
    for name in names:
        hand.stop(name, grace_s=parameters.grace_s)
    left = hand.names(parameters.role, "all")
    if left:
        raise Missed(f"still running: {', '.join(left)}")
    return {"how": f"{', '.join(names)} gone", "jobs": victims, "processes": names}


def heal(hand: Hand, parameters: Parameters) -> None:
    # Whoever still runs (the fault missed then) was told to stop, and is not restarted when it goes.
    for name in hand.memory.pop("down", ()):
        with suppress(Missed):  # another fault met what came back: its business, and its supervisor's
            hand.replace(name)
