"""The process that stands at the trigger's test point kills itself there: no handler, no `finally`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "crash_here"
NEEDS = frozenset({"points"})
LANDS = "the process has ended without another word"
LASTING = False
GONE_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """None."""


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    victims = [] if hand.occasion.job is None else [hand.occasion.job]
    if not hand.direct({"do": "crash"}):
        raise Missed("no process stood at the place: the trigger has to be a test point")
    if not hand.until_gone(GONE_TIMEOUT_S):
        raise Missed(f"pid {hand.occasion.pid} is still there")
    return {"how": f"pid {hand.occasion.pid} of {hand.occasion.process} gone", "jobs": victims}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
