"""What a finished stage of the job at the place has stored rots: same names, other bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "corrupt_artefacts"
NEEDS = frozenset({"artefacts"})
LANDS = "every stored file of that stage, read back, has other bytes than before"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`stage`: one that the job has finished by then."""

    stage: str


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    job = hand.occasion.job
    if job is None:
        raise Missed("no job stood at the place")
    hand.dealing()
    found = hand.target("corrupt_artefacts", job=job, stage=parameters.stage)
    hand.struck()
    keys = found["keys"]
    if not keys:
        raise Missed(f"{job} had stored nothing of stage {parameters.stage}")
    if found.get("unchanged"):
        raise Missed(f"read back as before: {', '.join(found['unchanged'])}")
    return {"how": f"{len(keys)} stored files of {parameters.stage} changed", "jobs": [job]}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Not undone: whoever resumes has to notice."""
