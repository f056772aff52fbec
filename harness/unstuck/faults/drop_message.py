"""Swallows a message, and all behind it in its direction of its connection: nobody hears, nobody is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand
from unstuck.links.rules import Drop

NAME = "drop_message"
NEEDS = frozenset({"links"})
LANDS = "the proxy swallowed the message, and its connection is silent in that direction"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """None."""


def message_action(parameters: Parameters) -> Drop:
    """What the link does at the message that the trigger names; done in the proxy, without a race."""
    return Drop()


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    return hand.message_landed("dropped")


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing is brought back: the connection is of no use any more, as its owner has to find out."""
