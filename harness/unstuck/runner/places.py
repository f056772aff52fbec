"""A process that stands at a test point: when it can be judged, and how several faults share it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from unstuck.runner.live import Live
from unstuck.targets.port import PointReached


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Waits to be judged until `deadline_ns` at the latest. `event` is the number of its `reached`."""

    point: PointReached
    event: int
    deadline_ns: int

    def caught_up(self, live: Live) -> bool:
        """True when what the process says of its job is what the database's triggers have told us."""
        if self.point.job is None:
            return True
        job = live.jobs.get(self.point.job)
        if job is None or not job.state:
            return False
        stage, attempt = self.point.facts.get("stage"), self.point.facts.get("attempt")
        return (stage is None or job.stage == stage) and (attempt is None or job.attempt >= attempt)


def shared(point: PointReached, ways: int) -> Sequence[PointReached]:
    """The point once for each of several faults: the process goes on when all of them have let it go.

    A directive of one of them (to crash there, say) beats the others' `go`.
    """
    if ways == 1:
        return [point]
    lock = threading.Lock()
    said: list[Mapping[str, Any]] = []

    def answer(directive: Mapping[str, Any]) -> None:
        with lock:
            said.append(directive)
            is_last = len(said) == ways
        if is_last:
            point.answer(next((each for each in said if each["do"] != "go"), directive))

    return [replace(point, answer=answer) for _ in range(ways)]
