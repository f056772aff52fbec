"""What reports show of an exploration: a row for each crash point, a cell for each trial there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from unstuck.errors import ExitCode

PAGE_FILE: Final = "points.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointCell:
    """One trial. `word`: the class of the job, or `not covered`; `verdict`: pass, fail or inconclusive."""

    mode: str
    word: str
    verdict: str
    note: str = ""
    broken: tuple[str, ...] = ()
    run: str | None = None  # its folder, relative to that of the exploration


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRow:
    """One crash point. `message` is its label, with what else names it; `text` the message's beginning."""

    life: str
    link: str
    message: str
    place: str
    text: str
    cells: tuple[PointCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsTable:
    """An exploration. Counts are of messages that matter: by the links (`linked`), recorded (`seen`), before
    the first client (`starting`), on links that were not asked for (`left_out`), with a crash point
    (`covered`). `modes`: mode → how it is headed.
    """

    target: str
    modes: Mapping[str, str]
    rows: tuple[PointRow, ...]
    uncovered: tuple[tuple[str, str], ...]  # what, and why
    linked: int
    seen: int
    starting: int
    left_out: int
    covered: int
    exit_code: ExitCode
    duration_s: float
    seed: int
    version: str
    date: str
    folder: str | None = None
    failed: str | None = None  # why there was no trial at all
    notes: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()  # scenario files of what broke a promise

    @property
    def cells(self) -> tuple[PointCell, ...]:
        return tuple(cell for row in self.rows for cell in row.cells)

    @property
    def landed(self) -> int:
        return sum(cell.verdict != "inconclusive" for cell in self.cells)

    @property
    def classes(self) -> Mapping[str, int]:
        """How many trials ended in which class, the most frequent first."""
        return dict(Counter(cell.word for cell in self.cells if cell.verdict != "inconclusive").most_common())

    @property
    def word(self) -> str:
        """The verdict of the whole."""
        return _WORDS[self.exit_code]

    def sums(self) -> tuple[str, str]:
        """`22 of 22 trials landed: 14 ok, 8 lost`, and how that reconciles with the links' own count."""
        classes = ", ".join(f"{count} {word}" for word, count in self.classes.items())
        owed = self.seen - self.starting - self.left_out
        parts = [f"{self.starting} while the service started"]
        if self.left_out:
            parts.append(f"{self.left_out} on links that were not asked for")
        parts.append(f"{owed} since the first client began")
        landed = f"{self.landed} of {len(self.cells)} trials landed" + (f": {classes}" if classes else "")
        covered = f"{self.covered} of {owed} messages that matter have a trial"
        return landed, f"{covered}; the links counted {self.linked}: {', '.join(parts)}"


_WORDS: Final[Mapping[ExitCode, str]] = {
    ExitCode.PASS: "pass",
    ExitCode.FAIL: "fail",
    ExitCode.INCONCLUSIVE: "inconclusive",
    ExitCode.USAGE: "error",
    ExitCode.HARNESS: "error",
    ExitCode.INTERRUPTED: "interrupted",
}
