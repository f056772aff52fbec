"""The last back-up is put back: everything is stopped, the database is as it was then, the rest is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "restore_backup"
NEEDS = frozenset({"versions", "processes", "signals"})
LANDS = "every row of the back-up reads back, and a new process of each role is ready on it"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`roles`: those that are stopped and started again, in this order. `version`: which starts then, on its
    own schema; None: the one in this checkout. `grace_s`: from each stop signal to the kill.

    Queue, objects and what the downstream system knows stay as they are.
    """

    roles: tuple[str, ...]
    version: str | None = None
    grace_s: float = 5.0


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    old = [name for role in parameters.roles for name in hand.names(role, "all")]
    if not old:
        raise Missed("no process was running")
    for name in old:
        hand.stop(name, grace_s=parameters.grace_s)
    found = hand.target("restore_backup", version=parameters.version)
    for name in old:
        hand.replace(name, version=parameters.version)
    if found["rows"] != found["read_back"]:
        raise Missed(f"{found['read_back']} of {found['rows']} rows read back")
    how = f"{found['rows']} rows put back, {len(found['gone'])} jobs are gone; {found['said']}"
    return {"how": how, "jobs": found["jobs"], "gone": found["gone"], "processes": old}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Not undone: what came after the back-up is lost."""
