"""Replaces every process of a role, one by one, as a deploy does: stop signal, grace, kill, new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "rolling_replace"
NEEDS = frozenset({"processes", "signals"})
LANDS = "every process that ran when it struck has got the signal and is gone, and its successor is ready"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`grace_s`: from the stop signal to the kill. `overlap`: the new one is ready before the old is told."""

    role: str
    grace_s: float = 10.0
    overlap: bool = False
    version: str | None = None  # of the successors; None: the same


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    # Whoever stands at the place goes first, so that the blow lands where the trigger says.
    here = hand.occasion.process
    old = sorted(hand.names(parameters.role, "all"), key=lambda name: name != here)
    if not old:
        raise Missed(f"no process of role {parameters.role} was running")
    victims: list[str] = []
    untold: list[str] = []
    for name in old:
        victims += hand.held_by(name)
        if parameters.overlap:
            hand.replace(name, version=parameters.version)
        if not hand.stop(name, grace_s=parameters.grace_s):
            untold.append(name)
        if not parameters.overlap:
            hand.replace(name, version=parameters.version)
    if untold:
        raise Missed(f"{', '.join(untold)} had ended before the stop signal came")
    return {"how": f"{', '.join(old)} gone and replaced", "jobs": victims, "processes": old}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
