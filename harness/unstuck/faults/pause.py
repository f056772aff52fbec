"""Stops a process and its children in their tracks for a while, as a frozen host does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from unstuck.faults.port import Hand, Missed

NAME = "pause"
NEEDS = frozenset({"processes", "signals"})
LANDS = "SIGSTOP, which nobody can refuse, was delivered to every process of the tree"
LASTING = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Longer than the lease, and a second worker takes over; then the first one wakes."""

    role: str
    for_s: float
    which: Literal["here", "holder", "any", "all"] = "holder"


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    names = hand.names(parameters.role, parameters.which)
    victims = [job for name in names for job in hand.held_by(name)]
    hit = {name: hand.world.signal(name, "SIGSTOP", "tree") for name in names}
    hand.memory["paused"] = names
    hand.struck()
    if not any(hit.values()):
        raise Missed(f"nobody was paused: no running process of role {parameters.role}")
    return {"how": f"{', '.join(names)} stopped", "jobs": victims, "processes": list(names)}


def heal(hand: Hand, parameters: Parameters) -> None:
    for name in hand.memory.pop("paused", ()):
        hand.world.signal(name, "SIGCONT", "tree")
