"""Somebody asks the service for a recovery sweep, now, beside those of its schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "trigger_recovery"
NEEDS = frozenset({"recovery"})
LANDS = "the service has answered: that it swept, or why it did not"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """None."""


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    hand.dealing()
    answer = hand.target("trigger_recovery")
    hand.struck()
    if answer.get("said") is None:
        raise Missed(f"no answer: {answer.get('error')}")
    return {"how": str(answer["said"])}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
