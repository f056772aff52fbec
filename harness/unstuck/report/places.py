"""Where things are on the page: the ids of lanes, strokes and marks, by which links find them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar, Final

from unstuck.report.model import Mark, Summary

MARKS_MAX: Final = 2000  # a run in which all is broken has its first ones marked


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedMark:
    """A mark with its id and the id of the lane that it stands in."""

    id: str
    lane: str
    mark: Mark


class Places:
    """Ids for one page. They are numbers behind our own words: no name from outside is ever part of one."""

    RUN: ClassVar[str] = "run"

    def __init__(self, summary: Summary) -> None:
        self._jobs = {job.id: f"job-{nth}" for nth, job in enumerate(summary.jobs)}
        self._processes = {line.name: f"process-{nth}" for nth, line in enumerate(summary.processes)}
        self._marks: dict[int, list[PlacedMark]] = {}
        self._on: dict[str, list[PlacedMark]] = defaultdict(list)
        count = 0
        for nth, item in enumerate(summary.broken):
            room = item.marks[: max(0, MARKS_MAX - count)]
            self._marks[nth] = [
                PlacedMark(id=f"mark-{nth}-{k}", lane=self._lane(mark), mark=mark)
                for k, mark in enumerate(room)
            ]
            count += len(room)
            for placed in self._marks[nth]:
                self._on[placed.lane].append(placed)

    def job(self, name: str | None) -> str | None:
        """The id of a job's lane; None: it has none."""
        return self._jobs.get(name or "")

    def process(self, name: str | None) -> str | None:
        """The id of a process's lane; None: it has none."""
        return self._processes.get(name or "")

    @staticmethod
    def stroke(fault: int, nth: int) -> str:
        """The id of a fault's band."""
        return f"fault-{fault}-{nth}"

    def marks(self, nth: int) -> list[PlacedMark]:
        """The marks of the nth broken promise."""
        return self._marks.get(nth, [])

    def on(self, lane: str | None) -> list[PlacedMark]:
        """The marks that stand in a lane."""
        return self._on.get(lane or "", [])

    def _lane(self, mark: Mark) -> str:
        return self.job(mark.job) or self.process(mark.process) or self.RUN


def window(summary: Summary) -> tuple[float, float]:
    """From when the first thing happened (how long dependencies took to start tells nothing) to the end."""
    starts_s = [life.from_s for process in summary.processes for life in process.lives]
    starts_s += [job.stays[0].from_s for job in summary.jobs if job.stays]
    start_s = max(min(starts_s, default=0.0), 0.0)
    return start_s, max(summary.duration_s, start_s + 0.001)


def place(at_s: float) -> str:
    """Seconds for the style sheet, to a tenth of a millisecond."""
    return f"{at_s:.4f}".rstrip("0").rstrip(".") or "0"
