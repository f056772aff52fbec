"""Forwards a message twice, the copy at once or late; the sender sees one reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand
from unstuck.links.rules import Duplicate

NAME = "duplicate_message"
NEEDS = frozenset({"links"})
LANDS = "both copies went to the dependency"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`after_s`: from the original to its copy; later than the job takes, and the copy comes too late."""

    after_s: float = 0.0


def message_action(parameters: Parameters) -> Duplicate:
    """What the link does at the message that the trigger names; done in the proxy, without a race."""
    return Duplicate(after_s=parameters.after_s)


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    return hand.message_landed("duplicated", takes_s=parameters.after_s)


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
