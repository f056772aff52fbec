"""Ends another fault now, at an exact place, instead of after its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "heal"
NEEDS = frozenset[str]()
LANDS = "the other fault was still there, and is healed"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`fault`: its number in the scenario, from 0; one that lasts."""

    fault: int


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    hand.dealing()
    if not hand.heal(parameters.fault):
        raise Missed(f"fault {parameters.fault} was not there to be healed")
    return {"how": f"fault {parameters.fault} ended"}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
