"""What reports show of an incident that was reproduced: its day, and now with every defence, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from unstuck.checks.port import Verdict
from unstuck.errors import ExitCode
from unstuck.report.group import RunLine, worst
from unstuck.report.text import classes_told, jobs_text
from unstuck.report.words import plural, span

ALWAYS_TOLD: Final = ("stuck", "lost", "doubled")
"""Classes of jobs that a reader looks for: a 0 of them is told, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing to compare: of the run without the defences, and of the one with them."""

    name: str
    before: str
    after: str
    bad: bool = False  # what `before` says is what the incident was


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """Two runs of one case with one seed. `folder` is that of both, as the user would type it."""

    incident: str
    happened: str
    about: str  # what the scenario does, and what must hold
    defences_off: tuple[str, ...]
    fails: tuple[str, ...]  # what must fail without them
    before: RunLine
    after: RunLine
    jobs: int
    world: str
    command: str  # that does all of this again
    seed: int
    version: str
    date: str
    duration_s: float
    folder: str
    interrupted: bool = False

    @property
    def failed(self) -> tuple[str, ...]:
        """Every property that failed without the defences."""
        return _failed(self.before)

    @property
    def unseen(self) -> tuple[str, ...]:
        """What was to fail without the defences, and did not."""
        return tuple(name for name in self.fails if name not in self.failed)

    @property
    def reproduced(self) -> bool:
        """True when the incident happened again: each property that it names failed."""
        return self.before.exit_code is ExitCode.FAIL and not self.unseen

    @property
    def exit_code(self) -> ExitCode:
        """0: it happened without the defences, and with them every promise was kept.

        1: a promise was broken with every defence on. 3: it did not happen again, or the run with the
        defences proves nothing: what had to happen did not, so a green run says nothing about the defences.
        """
        if self.interrupted:
            return ExitCode.INTERRUPTED
        codes = [self.after.exit_code]
        if not self.reproduced:
            judged = (ExitCode.PASS, ExitCode.FAIL, ExitCode.INCONCLUSIVE)
            code = self.before.exit_code
            codes.append(ExitCode.INCONCLUSIVE if code in judged else code)
        return worst(codes)

    @property
    def word(self) -> str:
        """The verdict in a word or two, for the top of a screen."""
        if self.exit_code is ExitCode.PASS:
            return "reproduced, and defended"
        if self.exit_code is ExitCode.FAIL:
            return "not defended"
        if self.exit_code is ExitCode.INCONCLUSIVE:
            return "defended, unproved" if self.reproduced else "not reproduced"
        return "interrupted" if self.exit_code is ExitCode.INTERRUPTED else "error"

    @property
    def style(self) -> str:
        """The word of a verdict that `word` is coloured as."""
        named = {ExitCode.PASS: "pass", ExitCode.FAIL: "fail", ExitCode.INCONCLUSIVE: "inconclusive"}
        return named.get(self.exit_code, "interrupted" if self.interrupted else "error")

    def conclusion(self) -> str:
        """What the two runs say together, in a sentence or two."""
        if self.interrupted:
            return "Interrupted before both runs had ended: nothing is shown."
        troubles = [line.error for line in (self.before, self.after) if line.error]
        if troubles:
            return troubles[0]
        off = "Without these defences"
        if not self.reproduced:
            other = f" ({', '.join(self.failed)} failed instead)" if self.failed else ""
            return f"{off} {_listed(self.unseen)} did not fail{other}: the incident did not happen again."
        broke = f"{off} {_listed(self.fails)} failed"
        if self.after.exit_code is ExitCode.PASS:
            return f"{broke}; with every defence on, each promise was kept."
        if self.after.exit_code is ExitCode.FAIL:
            return f"{broke}; with every defence on, {_listed(_failed(self.after))} failed as well."
        return f"{broke}; the run with every defence on proves nothing."

    def rows(self) -> Iterator[Row]:
        """What became of the jobs in each, class by class, and what failed."""
        before, after = self.before.summary, self.after.summary
        yield Row(name="verdict", before=self.before.word, after=self.after.word, bad=self.reproduced)
        if before is None or after is None:
            return
        yield Row(name="jobs", before=jobs_text(before), after=jobs_text(after))
        untold = {name for one in (before, after) for name in one.outcomes.keys() - classes_told(one).keys()}
        names = dict.fromkeys((*ALWAYS_TOLD, *before.outcomes, *after.outcomes))
        for name in (name for name in names if name not in untold):
            counts = before.outcomes.get(name, 0), after.outcomes.get(name, 0)
            bad = counts[0] > counts[1] and any(
                job.outcome == name and not job.allowed for job in before.jobs
            )
            yield Row(name=name, before=str(counts[0]), after=str(counts[1]), bad=bad)
        yield Row(
            name="failed by",
            before=", ".join(_failed(self.before)) or "-",
            after=", ".join(_failed(self.after)) or "-",
            bad=self.reproduced,
        )
        attempts = [str(max((job.attempts for job in one.jobs), default=0)) for one in (before, after)]
        yield Row(name="claims of one job at most", before=attempts[0], after=attempts[1])
        ends = [_ends(self.before), _ends(self.after)]
        yield Row(name="last job ended", before=ends[0], after=ends[1])
        yield Row(name="took", before=self.before.took, after=self.after.took)

    def moments(self, line: RunLine) -> Iterator[tuple[str, str]]:
        """The timeline of one run in lines: when, and what happened. Strokes of one fault are one line."""
        summary = line.summary
        if summary is None:
            return
        begins = sorted(job.stays[0].from_s for job in summary.jobs if job.stays)
        told: list[tuple[float, str]] = []
        if begins:
            told.append((begins[0], f"the first of {plural(len(summary.jobs), 'job')}"))
        for fault in summary.faults:
            if fault.strokes:
                times = "" if len(fault.strokes) == 1 else f" ({len(fault.strokes)} times)"
                told.append((fault.strokes[0][0], f"fault {fault.index}{times}: {fault.what}"))
        if summary.budget_from_s is not None:
            told.append((summary.budget_from_s, f"all healed; {span(summary.budget_s)} to recover"))
        terminal = [
            job.stays[-1].from_s for job in summary.jobs if job.stays and _is_over(job.outcome, job.state)
        ]
        if terminal:
            told.append(
                (max(terminal), f"{len(terminal)} of {plural(len(summary.jobs), 'job')} ended, the last")
            )
        left = len(summary.jobs) - len(terminal)
        told.append(
            (summary.duration_s, f"the final look: {f'{left} still not ended' if left else 'all ended'}")
        )
        for at_s, what in sorted(told, key=lambda moment: moment[0]):
            yield span(at_s), what


def _listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *others, last = names or ("nothing",)
    return f"{', '.join(others)} and {last}" if others else last


def _failed(line: RunLine) -> tuple[str, ...]:
    if line.summary is None:
        return ()
    return tuple(one.name for one in line.summary.properties if one.verdict is Verdict.FAIL)


def _is_over(outcome: str, state: str | None) -> bool:
    return outcome not in ("stuck", "lost", "done_not_terminal") and state is not None


def _ends(line: RunLine) -> str:
    """When the last job came to its end; `never` when one did not."""
    summary = line.summary
    if summary is None or not summary.jobs:
        return "-"
    if not all(_is_over(job.outcome, job.state) for job in summary.jobs):
        return "never"
    return f"at {span(max(job.stays[-1].from_s for job in summary.jobs if job.stays))}"
