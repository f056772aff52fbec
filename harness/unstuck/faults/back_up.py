"""A back-up of the service's database is taken while it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "back_up"
NEEDS = frozenset({"versions"})
LANDS = "every table was copied in one snapshot, and what was written reads back as many rows"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """None: it is kept in the run's folder, and the last one is what `restore_backup` takes."""


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    hand.dealing()
    found = hand.target("back_up")
    hand.struck()
    if found["rows"] != found["read_back"]:
        raise Missed(f"{found['read_back']} of {found['rows']} rows read back")
    tables = len(found["tables"])
    how = f"{found['rows']} rows of {tables} tables at revision {found['revision']}"
    return {"how": how, "jobs": [], "backup": found}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Nothing lasts."""
