"""The verdict of one run as a test meets it: what came of it, and the evidence in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unstuck.checks.port import Verdict
from unstuck.errors import ExitCode, HarnessError, UnstuckError
from unstuck.history import History, read_history
from unstuck.report.group import RunLine
from unstuck.report.model import FaultLine, JobLine, PropertyLine
from unstuck.report.publish import shown
from unstuck.report.text import run_sheet
from unstuck.rundir import RunFolder
from unstuck.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Run:
    """One run, judged. It is true in a condition exactly when it passed.

    `line` is what the reports show of it. What was not judged (inconclusive, or never begun) has
    neither passed nor failed. `folder` holds all that was recorded; None: the run never began.
    """

    scenario: Scenario
    line: RunLine
    folder: Path | None

    @property
    def passed(self) -> bool:
        """Every fault landed, and every promise was kept."""
        return self.line.exit_code is ExitCode.PASS

    @property
    def failed(self) -> bool:
        """The service broke a promise. Not the opposite of `passed`."""
        return self.line.exit_code is ExitCode.FAIL

    @property
    def word(self) -> str:
        """`pass`, `fail`, `inconclusive`, `error` or `interrupted`."""
        return self.line.word

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not a pass, one line each; empty when it is."""
        told = () if self.line.summary is None else self.line.summary.reasons
        return told if self.line.error is None else (self.line.error, *told)

    @property
    def jobs(self) -> tuple[JobLine, ...]:
        """Every job with its state, reason, class and attempts."""
        return () if self.line.summary is None else self.line.summary.jobs

    @property
    def properties(self) -> Mapping[str, PropertyLine]:
        """Every property by name, with its verdict and its figures."""
        return {one.name: one for one in ([] if self.line.summary is None else self.line.summary.properties)}

    @property
    def broken(self) -> tuple[str, ...]:
        """The names of the properties that failed."""
        return tuple(one.name for one in self.properties.values() if one.verdict is Verdict.FAIL)

    @property
    def faults(self) -> tuple[FaultLine, ...]:
        """Every fault, and how far it got."""
        return () if self.line.summary is None else self.line.summary.faults

    @property
    def history(self) -> History:
        """Everything that was seen to happen. Raises `HarnessError` for a run that never began."""
        if self.folder is None:
            raise HarnessError(f"{self.line.title}: has no history, since it never began.")
        return read_history(RunFolder(path=self.folder).history)

    @property
    def report(self) -> str | None:
        """The page of the run, as one would type it here; None when nothing was kept."""
        return None if self.folder is None else shown(RunFolder(path=self.folder).report)

    @property
    def replay(self) -> str | None:
        """The command that runs it again; None when nothing was kept."""
        return None if self.line.summary is None else self.line.summary.replay

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        """One line: pytest shows so much of a value in an assertion."""
        why = "".join(f"; {reason}" for reason in self.reasons[:1])
        return f"<Run {self.word}: {self.line.title}{why}>"

    def __str__(self) -> str:
        """The whole verdict, as `unstuck run` prints it."""
        return run_sheet(self.line).plain()


class NotJudgedError(UnstuckError):
    """A run that proved nothing either way: neither a pass nor a failure of the service.

    `run` has what is known of it.
    """

    exit_code = ExitCode.INCONCLUSIVE

    def __init__(self, run: Run) -> None:
        super().__init__(f"{run.line.title}: {run.word}: {'; '.join(run.reasons[:1])}")
        self.run = run


class PromiseBrokenError(AssertionError):
    """A run in which the service broke a promise. `run` has the evidence."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"{run.line.title}: {'; '.join(run.reasons[:1])}")
        self.run = run
