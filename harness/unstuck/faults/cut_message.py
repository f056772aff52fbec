"""Breaks the connection at a message: before it goes on, or instead of its reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand
from unstuck.links.rules import Cut

NAME = "cut_message"
NEEDS = frozenset({"links"})
LANDS = "the proxy closed the connection at that message"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """None."""


def message_action(parameters: Parameters) -> Cut:
    """What the link does at the message that the trigger names; done in the proxy, without a race."""
    return Cut()


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    return hand.message_landed("cut")


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
