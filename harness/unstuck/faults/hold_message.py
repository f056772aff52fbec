"""Holds a message for a while, or until another fault heals this one; what is behind it waits, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand
from unstuck.links.rules import Hold

NAME = "hold_message"
NEEDS = frozenset({"links"})
LANDS = "the link holds the message"
LASTING = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Healed is released: the message goes on, also when its sender has gone meanwhile."""

    for_s: float


def message_action(parameters: Parameters) -> Hold:
    """What the link does at the message that the trigger names; done in the proxy, without a race."""
    return Hold()


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    return hand.message_held()


def heal(hand: Hand, parameters: Parameters) -> None:
    hand.release_message()
