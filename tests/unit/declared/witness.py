"""What a tracker, a ledger or a watcher tells, kept for a test to look at."""

from __future__ import annotations

import threading
from typing import Any


class Told:
    """An `Emit` that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def __call__(
        self,
        kind: str,
        phase: str | None = None,
        *,
        job: str | None = None,
        process: str | None = None,
        at_ns: int | None = None,
        **data: Any,
    ) -> None:
        with self._lock:
            self.events.append(
                {"kind": kind, "phase": phase, "job": job, "process": process, "at_ns": at_ns, **data}
            )

    def moves(self, job: str) -> list[tuple[str | None, str, str]]:
        """(from, to, who saw it) of each move of a job."""
        return [
            (one["from"], one["to"], one["source"])
            for one in self.events
            if one["kind"] == "transition" and one["job"] == job
        ]

    def of(self, kind: str, phase: str | None = None) -> list[dict[str, Any]]:
        return [one for one in self.events if one["kind"] == kind and phase in (None, one["phase"])]


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now
