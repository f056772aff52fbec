"""The process that stands at the trigger's test point stays there for a while, as if its work took long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "hang_here"
NEEDS = frozenset({"points"})
LANDS = "the process stands at the place, and was not told to go on"
LASTING = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Healed goes on from there; what was killed meanwhile does not come back."""

    for_s: float


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    victims = [] if hand.occasion.job is None else [hand.occasion.job]
    if not hand.stay():
        raise Missed("no process stood at the place: the trigger has to be a test point")
    return {"how": f"pid {hand.occasion.pid} of {hand.occasion.process} stands there", "jobs": victims}


def heal(hand: Hand, parameters: Parameters) -> None:
    """It is let go with the end of the blow, as everybody who waits at a place."""
