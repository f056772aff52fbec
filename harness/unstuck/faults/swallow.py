"""Answers a message with success and does not forward it: the sender believes, nobody hears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand
from unstuck.links.rules import Answer

NAME = "swallow"
NEEDS = frozenset({"links"})
LANDS = "the message was answered by the proxy and never reached the dependency"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """None."""


def message_action(parameters: Parameters) -> Answer:
    """What the link does at the message that the trigger names; done in the proxy, without a race."""
    return Answer()


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    return hand.message_landed("answered")


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
