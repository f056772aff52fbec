"""What reports show of several runs together: a gate, or a command that ran several cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from unstuck.checks.port import Verdict
from unstuck.errors import ExitCode
from unstuck.report.model import Summary
from unstuck.report.words import span

_BEATS: Final = (
    ExitCode.INTERRUPTED,
    ExitCode.FAIL,
    ExitCode.HARNESS,
    ExitCode.USAGE,
    ExitCode.INCONCLUSIVE,
    ExitCode.PASS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One case of a group. `summary` is None when nothing could be judged, and then `error` says why.

    `excluded` is the reason why it was not run; such a line has no verdict and counts for nothing.
    """

    title: str
    exit_code: ExitCode
    summary: Summary | None = None
    error: str | None = None
    excluded: str | None = None
    folder: str | None = None  # relative to the group's folder
    duration_s: float = 0.0  # 0: nobody knows any more

    @property
    def word(self) -> str:
        """`pass`, `fail`, `inconclusive`, `error`, `interrupted` or `excluded`."""
        return "excluded" if self.excluded is not None else _WORDS[self.exit_code]

    @property
    def took(self) -> str:
        """How long it took, in the time of whoever waited; of a run in the sim its virtual time, too."""
        kept_s = round(self.duration_s, 3)  # as `verdict.json` has it, so that it reads the same later
        if self.summary is None or not self.summary.in_sim:
            return span(kept_s)
        virtual = f"{span(self.summary.duration_s)} of virtual time"
        return f"{span(kept_s)} ({virtual})" if kept_s else virtual


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofLine:
    """One alarm: what was taken away or falsified, where, which property had to notice, and did it."""

    subject: str  # the defence, or how the history was falsified
    where: str  # the case, or how many histories
    by: str
    proved: bool
    tried: bool = True
    note: str = ""
    replay: str | None = None

    @property
    def word(self) -> str:
        """`caught`, `missed` or `not tried`."""
        return "not tried" if not self.tried else "caught" if self.proved else "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Several runs. `folder` is the group's own, as the user would type it."""

    name: str  # "gate"
    lines: tuple[RunLine, ...]
    seed: int
    version: str
    date: str
    duration_s: float
    folder: str | None = None
    interrupted: bool = False
    decided: ExitCode | None = None  # by whoever knows better than the worst of the runs: a proof
    notes: tuple[str, ...] = field(default_factory=tuple)
    defences: tuple[ProofLine, ...] = ()  # of a proof: each defence that was off
    falsified: tuple[ProofLine, ...] = ()  # of a proof: each way in which histories were falsified

    @property
    def counts(self) -> Mapping[str, int]:
        """How many lines have each word."""
        counts: dict[str, int] = {}
        for line in self.lines:
            counts[line.word] = counts.get(line.word, 0) + 1
        return counts

    @property
    def target(self) -> str | None:
        """What all of its runs were against; None where they do not say, or differ."""
        said = {line.summary.target for line in self.lines if line.summary is not None}
        return said.pop() if len(said) == 1 else None

    @property
    def exit_code(self) -> ExitCode:
        """Of the whole: the worst of its runs; nothing run at all is inconclusive."""
        ran = [line.exit_code for line in self.lines if line.excluded is None]
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.decided is not None:
            return self.decided
        return worst(ran) if ran else ExitCode.INCONCLUSIVE

    @property
    def word(self) -> str:
        """The verdict of the whole, as a word."""
        return _WORDS[self.exit_code]


_WORDS: Final[Mapping[ExitCode, str]] = {
    ExitCode.PASS: str(Verdict.PASS),
    ExitCode.FAIL: str(Verdict.FAIL),
    ExitCode.INCONCLUSIVE: str(Verdict.INCONCLUSIVE),
    ExitCode.USAGE: "error",
    ExitCode.HARNESS: "error",
    ExitCode.INTERRUPTED: "interrupted",
}


def worst(codes: Sequence[ExitCode]) -> ExitCode:
    """130 beats 1 beats 4 beats 2 beats 3 beats 0."""
    return min(codes, key=_BEATS.index, default=ExitCode.PASS)
