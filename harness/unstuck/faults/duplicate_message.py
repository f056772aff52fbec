"""Forwards a message twice; the sender sees one reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand

NAME = "duplicate_message"
NEEDS = frozenset({"links"})
LANDS = "both copies went to the dependency"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """None."""


def message_action(parameters: Parameters) -> Mapping[str, Any]:
    """What the link does at the message that the trigger names; done in the proxy, without a race."""
    return {"kind": "duplicate"}


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    return hand.message_landed()


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
