"""The schema of the service's database is changed under the processes that run on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand, Missed

NAME = "migrate"
NEEDS = frozenset({"versions"})
LANDS = "the database's revision, read back, is the newest that the version knows"
LASTING = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`version`: whose migration runs, up to its newest revision; None: the one in this checkout. `down_to`:
    the version whose newest revision the schema is taken back to, by the code of `version`.
    """

    version: str | None = None
    down_to: str | None = None


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    hand.dealing()
    found = hand.target("migrate", version=parameters.version, down_to=parameters.down_to)
    hand.struck()
    if found["revision"] != found["wanted"]:
        raise Missed(f"revision={found['revision']}, not {found['wanted']}: {found['said']}")
    facts = {name: found[name] for name in ("before", "revision", "enums")}
    return {"how": found["said"], "jobs": [], **facts}


def heal(hand: Hand, parameters: Parameters) -> None:
    """Not undone: another `migrate` does that."""
