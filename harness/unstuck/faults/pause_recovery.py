"""An operator pauses the service's recovery sweeps for a while, and resumes them when it is healed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "pause_recovery"
NEEDS = frozenset({"recovery"})
LANDS = "the service has answered that recovery is paused"
LASTING = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Paused for `for_s`."""

    for_s: float


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    hand.dealing()
    answer = hand.target("pause_recovery")
    hand.struck()
    if answer.get("paused") is not True:
        raise Missed(f"recovery was not paused: {answer.get('error')}")
    return {"how": "recovery is paused"}


def heal(hand: Hand, parameters: Parameters) -> None:
    hand.target("resume_recovery")
