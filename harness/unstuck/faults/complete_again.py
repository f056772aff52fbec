"""The completion of the job at the place arrives again, while the job stands there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "complete_again"
NEEDS = frozenset[str]()
LANDS = "the service has answered each of the repeated completions, in whatever words"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`times`: how many further completions, one after another."""

    times: int = 1


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    job = hand.occasion.job
    if job is None:
        raise Missed("no job stood at the place")
    hand.dealing()
    ends = [hand.op("complete_upload", job) for _ in range(parameters.times)]
    hand.struck()
    # A service that drains refuses to listen: 503 is no answer to what it was told.
    unheard = sum(end.phase == "info" or end.status in (None, 503) for end in ends)
    if unheard:
        raise Missed(f"{unheard} of {len(ends)} completions got no answer")
    answers = ", ".join(end.phase for end in ends)
    return {"how": f"{len(ends)} further completions answered: {answers}", "jobs": [job]}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
