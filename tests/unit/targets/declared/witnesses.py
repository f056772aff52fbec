"""A tracker with a clock that tests turn by hand, and what it has told; waiting for other threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unstuck.clock import monotonic_ns, sleep
from unstuck.targets.declared.file import Absent
from unstuck.targets.declared.tracker import Record, Seen, Tracker


def until(seen: Callable[[], bool]) -> None:
    """Returns once it is so; fails after 5 s."""
    deadline_ns = monotonic_ns() + 5_000_000_000
    while not seen():
        assert monotonic_ns() < deadline_ns
        sleep(0.005)


class Told:
    """`events` are (kind, phase, job, data); `now_ns` is what the clock says."""

    def __init__(self, *, ledger: bool = True, absent: Absent = "lost") -> None:
        self.events: list[tuple[str, str | None, str | None, dict[str, Any]]] = []
        self.now_ns = 1_000
        self.tracker = Tracker(
            self.emit, now_ns=lambda: self.now_ns, has_ledger=ledger, begins=ledger, absent=absent
        )

    def emit(self, kind: str, phase: str | None = None, *, job: str | None = None, **data: Any) -> None:
        self.events.append((kind, phase, job, data))

    def tick(self) -> int:
        """The time that it was, after which it is a little later."""
        self.now_ns += 10
        return self.now_ns - 5

    def reported(self, event: str, job: str = "j-1", **facts: Any) -> bool:
        self.tick()
        return self.tracker.record(Record(job=job, event=event, **facts))

    def saw(self, state: str | None = None, held: str | None = None, job: str = "j-1", **facts: Any) -> None:
        """A look that began and ended now."""
        self.tracker.saw(job, Seen(state=state, held=held, **facts), self.tick())

    def moves(self, job: str = "j-1") -> list[str]:
        return [data["to"] for kind, _, about, data in self.events if (kind, about) == ("transition", job)]

    def outcome(self, job: str = "j-1", *, alive: bool = False) -> dict[str, Any]:
        return dict(self.tracker.outcomes(lambda _: alive)[job])

    def of(self, kind: str, phase: str | None = None) -> list[dict[str, Any]]:
        return [data for one, at, _, data in self.events if (one, at) == (kind, phase)]
