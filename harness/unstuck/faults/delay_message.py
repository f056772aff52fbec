"""Holds a message back for a while: it comes late, and later ones overtake it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand
from unstuck.links.rules import Delay

NAME = "delay_message"
NEEDS = frozenset({"links"})
LANDS = "the message went on, that much later"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`by_s`: from when it came to when it goes on."""

    by_s: float


def message_action(parameters: Parameters) -> Delay:
    """What the link does at the message that the trigger names; done in the proxy, without a race."""
    return Delay(delay_s=parameters.by_s)


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    return hand.message_landed("forwarded", "delivered", takes_s=parameters.by_s)


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
