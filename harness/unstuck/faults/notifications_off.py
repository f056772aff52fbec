"""The object store tells nobody of new objects: its notification is not configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "notifications_off"
NEEDS = frozenset({"notifications"})
LANDS = "the bucket's configuration, read back, names no notification"
LASTING = False  # a set-up that stays so: recovery has to come from elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """None."""


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    read_back = hand.target("notifications_off")
    hand.struck()
    if read_back.get("configured"):
        raise Missed(f"the bucket still notifies: {read_back['configured']}")
    return {"how": "no notification is configured"}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Not undone: the bucket belongs to the run."""
