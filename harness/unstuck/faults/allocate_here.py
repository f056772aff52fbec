"""The process that stands at the trigger's test point takes memory and goes on, until it is killed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "allocate_here"
NEEDS = frozenset({"points", "memory_limit"})
LANDS = "the process has ended without having got all that it asked for"
LASTING = False
GONE_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`mib`: choose more than the role's limit."""

    mib: int


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    victims = [] if hand.occasion.job is None else [hand.occasion.job]
    if not hand.direct({"do": "allocate", "bytes": parameters.mib * 1024 * 1024}):
        raise Missed("no process stood at the place: the trigger has to be a test point")
    if not hand.until_gone(GONE_TIMEOUT_S):
        raise Missed(f"pid {hand.occasion.pid} got {parameters.mib} MiB and lives: is its role limited?")
    return {
        "how": f"pid {hand.occasion.pid} of {hand.occasion.process} gone while it took {parameters.mib} MiB",
        "jobs": victims,
    }


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
