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
    answers = [hand.op("complete_upload", job) for _ in range(parameters.times)]
    hand.struck()
    unknown = answers.count("info")
    if unknown:
        raise Missed(f"{unknown} of {len(answers)} completions got no answer")
    return {"how": f"{len(answers)} further completions answered: {', '.join(answers)}", "jobs": [job]}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
