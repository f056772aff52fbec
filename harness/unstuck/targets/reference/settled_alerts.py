"""Whether the alerts of the reference service have settled, once every job has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, LiteralString

LOOKS: Final = 2  # evaluations that have to follow the first that was seen, of one evaluator
LATEST: Final = "SELECT (SELECT max(evaluated_at) FROM alerts), (SELECT max(updated_at) FROM jobs)"
FIRING: Final = """
SELECT name FROM alerts AS one WHERE state = 'firing'
AND number = (SELECT max(number) FROM alerts AS other WHERE other.name = one.name)
"""
RowsOf = Callable[[LiteralString], Sequence[Any]]  # asks the database, whichever it is


class SettledAlerts:
    """Asked again and again. For a scenario that expects nothing of alerts they have settled at once."""

    def __init__(self, expect: Mapping[str, Mapping[str, Any]], *, evaluators: int = 1) -> None:
        """`evaluators`: how many processes evaluate, each for itself."""
        self._looks = LOOKS * evaluators
        self._judged = "alerts" in expect
        self._must_end: Sequence[str] = expect.get("alerts", {}).get("ends", ())
        self._moved_at: float | None = None
        self._evaluated_at: set[float] = set()  # since that move, as seen here

    def have(self, rows_of: RowsOf) -> bool:
        """True when an evaluation that began after the last move of any job was recorded, and those alerts
        have ended that must.

        That is the third that is seen. The first was recorded before we came. The second may have measured
        before: 1. it measures, 2. a job's last move is committed, and we come, 3. it is recorded, at a time
        after that move's. The third began after the second was recorded; where there are several evaluators,
        the one that recorded twice since has begun after it.
        """
        if not self._judged:
            return True
        [(evaluated_at, moved_at)] = rows_of(LATEST)
        if moved_at != self._moved_at:
            self._moved_at, self._evaluated_at = moved_at, set()
        if evaluated_at is not None:
            self._evaluated_at.add(evaluated_at)
        if len(self._evaluated_at) <= self._looks:
            return False
        return {row[0] for row in rows_of(FIRING)}.isdisjoint(self._must_end)
