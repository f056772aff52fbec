"""A gate's recovery times, held against the baseline file or added to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unstuck.checks.story import Story
from unstuck.compare.baseline import (
    Baseline,
    Machine,
    measure_machine,
    merge,
    read_baseline,
    slowness,
    write_baseline,
)
from unstuck.compare.baseline_text import headline, notes
from unstuck.compare.recoveries import recoveries
from unstuck.compare.slower import Key
from unstuck.compare.verdict import Comparison
from unstuck.errors import ExitCode
from unstuck.history import read_history
from unstuck.report.group import RunLine
from unstuck.report.words import plural
from unstuck.rundir import disk
from unstuck.scenario import Scenario

if TYPE_CHECKING:
    from unstuck.campaign import RunRecord


class Against:
    """Holds a gate against the baseline in a file. Made before the gate begins: it takes the yardstick.

    Raises `UsageError` for a file that is not there, or is no baseline.
    """

    def __init__(self, path: Path, *, jobs: int) -> None:
        self._path = path
        self._baseline: Baseline = read_baseline(path)
        self._before = measure_machine(jobs)
        self._comparison: Comparison | None = None

    def again(self, records: Sequence[RunRecord]) -> list[Scenario]:
        """The cases to run once more, each as often as it takes to tell whether it is slower.

        It is decided here, once, how many; none of them is run until it pleases.
        """
        now = _quieter(self._before, measure_machine(self._before.jobs))
        first = {key: values[0] for key, values in _measured(records).items()}
        self._comparison = Comparison(self._baseline, first, slowness(self._baseline.machine, now))
        cases = {record.scenario.title: record.scenario for record in records}
        return [cases[title] for title, count in self._comparison.again().items() for _ in range(count)]

    def conclude(
        self, records: Sequence[RunRecord], again: Sequence[RunRecord]
    ) -> tuple[RunLine | None, list[str]]:
        """A line beside those of the cases when something is slower, or nothing was judged; and notes."""
        if self._comparison is None:
            self.again(records)
        assert self._comparison is not None
        judgement = self._comparison.judge(_measured(again))
        told = list(notes(judgement))
        if self._before.jobs != self._baseline.machine.jobs:
            told.append(
                f"baseline: written with --jobs {self._baseline.machine.jobs}, held against "
                f"--jobs {self._before.jobs}: more at a time makes each slower."
            )
        if judgement.exit_code is ExitCode.PASS:
            return None, told
        line = RunLine(
            title=f"recovery times against {self._path.name}",
            exit_code=judgement.exit_code,
            error=headline(judgement),
        )
        return line, told


class Adding:
    """Adds a gate's recovery times to the file, which is made when it is not there.

    Raises `UsageError` for a file that is no baseline or cannot be written, before anything starts.
    """

    def __init__(self, path: Path, *, jobs: int) -> None:
        self._path = path
        self._baseline = read_baseline(path) if path.exists() else None
        self._before = measure_machine(jobs)
        with disk(path, advice="Choose another file for the baseline."):
            path.parent.mkdir(parents=True, exist_ok=True)
        if self._baseline is not None:  # proves that it can be written, and changes nothing
            write_baseline(path, self._baseline)

    def again(self, records: Sequence[RunRecord]) -> list[Scenario]:
        """Nothing: every gate gives one sample."""
        del records
        return []

    def conclude(self, records: Sequence[RunRecord], again: Sequence[RunRecord]) -> tuple[None, list[str]]:
        """Writes. Only runs that passed count: a recovery that broke a promise is no norm."""
        del again
        now = _quieter(self._before, measure_machine(self._before.jobs))
        first = {key: values[0] for key, values in _measured(records).items()}
        baseline = merge(self._baseline, now, first)
        write_baseline(self._path, baseline)
        counts = [len(values) for values in baseline.samples.values()]
        told = (
            f"baseline: {self._path} got a sample of {plural(len(first), 'recovery time')}; "
            f"it has {min(counts, default=0)} to {max(counts, default=0)} of each."
        )
        return None, [told]


def _quieter(one: Machine, other: Machine) -> Machine:
    """The faster of two looks at one machine: what else it does only ever adds."""
    return min(one, other, key=lambda machine: machine.yardstick_ms)


def _measured(records: Sequence[RunRecord]) -> dict[Key, list[float]]:
    """Of each run that passed, the median of each kind of recovery time; in the order of the records."""
    found: dict[Key, list[float]] = defaultdict(list)
    for record in records:
        if record.exit_code is ExitCode.PASS and record.folder is not None:
            story = Story(read_history(record.folder / "history.jsonl"))
            for name, value_s in recoveries(story).series().items():
                found[record.scenario.title, name].append(value_s)
    return found
