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
    if not names:
        raise Missed(f"no process of role {parameters.role} was there ({parameters.which})")
    victims = [job for name in names for job in hand.held_by(name)]
    hand.memory["paused"] = names  # before the first signal: what fails midway is undone as well
    hit = {name: hand.world.signal(name, "SIGSTOP", "tree") for name in names}
    hand.struck()
    missed = [name for name, pids in hit.items() if not pids]
    if missed:
        raise Missed(f"{', '.join(missed)} had ended before SIGSTOP came")
    return {"how": f"{', '.join(names)} stopped", "jobs": victims, "processes": list(names)}


def heal(hand: Hand, parameters: Parameters) -> None:
    for name in hand.memory.pop("paused", ()):
        hand.world.signal(name, "SIGCONT", "tree")
