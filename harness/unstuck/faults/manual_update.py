"""Somebody with a database console moves jobs on by hand: UPDATE jobs SET state = …"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from unstuck.faults.port import Hand, Missed

NAME = "manual_update"
NEEDS = frozenset({"manual_update"})
LANDS = "the harness's own trigger saw the row of every job that the statement says it changed"
LASTING = False
SEEN_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Jobs that are `was` become `state`, and nothing else of their rows changes: no event, no record.
    `which`: `all` of them that have the tag `job`, or the one `here`, at the trigger's place.
    """

    which: Literal["all", "here"] = "all"
    job: str = "any"
    was: str = "awaiting_upload"
    state: str = "queued"


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    here = hand.occasion.job
    if parameters.which == "here" and here is None:
        raise Missed("no job stood at the place")
    hand.dealing()
    found = hand.target(
        "manual_update",
        job=here if parameters.which == "here" else None,
        tag=None if parameters.job == "any" else parameters.job,
        was=parameters.was,
        state=parameters.state,
    )
    hand.struck()
    jobs = list(found["jobs"])
    if not jobs:
        raise Missed(f"no such job was {parameters.was}")
    if not hand.until("each is seen", lambda: hand.moved_by_hand >= set(jobs), SEEN_WITHIN_S):
        raise Missed(f"not seen to change: {', '.join(sorted(set(jobs) - hand.moved_by_hand))}")
    how = f"{len(jobs)} rows were made {parameters.state} that were {parameters.was}"
    return {"how": how, "jobs": jobs}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Not undone: the service has to bear it."""
