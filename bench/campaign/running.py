"""Runs the scenarios of a campaign side by side until enough valid jobs are in its journal."""

from __future__ import annotations

import shutil
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from bench.campaign.drawing import cases
from bench.campaign.jobs import job_rows
from bench.campaign.journal import Journal
from bench.campaign.rows import RunRow
from unstuck.campaign import ProcessStage, RunRecord, Stage, run_one, runners
from unstuck.checks.port import Verdict
from unstuck.checks.story import Story
from unstuck.clock import monotonic_ns
from unstuck.history import History, read_history
from unstuck.scenario import Scenario
from unstuck.simulation import SimStage

TELL_EVERY: Final = 20  # runs
VALID_A_RUN: Final = 2  # jobs, about


class Supply:
    """Hands out scenarios until there are enough valid jobs, or the time is over; used by many threads."""

    def __init__(self, drawn: Iterator[Scenario], journal: Journal, *, valid: int, within_s: float) -> None:
        self._drawn = drawn
        self._journal = journal
        self._done = set(journal.names)
        self._valid = valid
        self._deadline_ns = monotonic_ns() + within_s * 1e9
        self._lock = threading.Lock()
        self._ready: deque[Scenario] = deque()

    def draw(self) -> bool:
        """Draws as many as are likely to be enough; false when nothing more is wanted.

        Nothing may run meanwhile: Hypothesis seeds the interpreter's own dice while it draws.
        """
        if self._enough():
            return False
        count = -(-(self._valid - self._journal.valid) // VALID_A_RUN)
        while len(self._ready) < count:
            case = next(self._drawn)
            if case.name not in self._done:
                self._done.add(case.name)
                self._ready.append(case)
        return True

    def next(self) -> Scenario | None:
        """None: nothing is left, or it is enough. A run that has begun is finished and counted, so that a few
        jobs more may come."""
        with self._lock:
            return self._ready.popleft() if self._ready and not self._enough() else None

    def _enough(self) -> bool:
        return self._journal.valid >= self._valid or monotonic_ns() >= self._deadline_ns


def run_campaign(
    journal: Journal,
    *,
    valid: int,
    seed: int,
    side_by_side: int,
    within_s: float,
    simulated: bool,
    reports: Path,
) -> None:
    """Fills the journal. Folders of runs that broke a promise or came to no end stay in `reports`.

    In the sim one run at a time: two would take turns on one interpreter.
    """
    reports.mkdir(parents=True, exist_ok=True)
    supply = Supply(cases(seed, simulated=simulated), journal, valid=valid, within_s=within_s)
    stop = threading.Event()
    with _place(seed, stop, simulated=simulated) as stage, runners(side_by_side, stop) as pool:
        while supply.draw():
            futures = [
                pool.submit(_work, supply, journal, stage, seed, stop, reports)
                for _ in range(1 if simulated else side_by_side)
            ]
            for future in futures:
                future.result()


@contextmanager
def _place(seed: int, stop: threading.Event, *, simulated: bool) -> Iterator[Stage]:
    if simulated:
        with closing(SimStage(seed=seed)) as sim:
            yield sim
    else:
        with ProcessStage(stop=stop) as real:
            yield real


def _work(
    supply: Supply, journal: Journal, stage: Stage, seed: int, stop: threading.Event, reports: Path
) -> None:
    while not stop.is_set() and (case := supply.next()) is not None:
        record = run_one(case, stage=stage, reports=reports, seed=seed, stop=stop)
        if stop.is_set():
            return  # it may have been cut short
        row = row_of(record)
        journal.add(row)
        if record.folder is not None and row.judged and not row.broken:
            shutil.rmtree(record.folder)
        if len(journal.rows) % TELL_EVERY == 0 or row.broken or not row.judged:
            _tell(journal, row, record)


def _tell(journal: Journal, row: RunRow, record: RunRecord) -> None:
    what = ""
    if row.broken or not row.judged:
        what = f"  {record.folder}: {', '.join(row.broken) or row.error or 'came to no end'}"
    print(f"{len(journal.rows)} runs, {journal.valid} valid jobs{what}", flush=True)  # noqa: T201  its output


def row_of(record: RunRecord) -> RunRow:
    """What is kept of a run."""
    readable = record.verdict is not None and record.folder is not None
    history = read_history(record.folder / "history.jsonl") if readable and record.folder else History(())
    story = Story(history)
    faults = story.faults.values()
    broken = () if record.verdict is None else record.verdict.properties
    return RunRow(
        name=record.scenario.name,
        judged=record.verdict is not None and story.run.played_out,
        error=record.error,
        broken=tuple(one.name for one in broken if one.verdict is Verdict.FAIL),
        faults=len(record.scenario.faults),
        landed=sum(len(fault.landed) for fault in faults),
        missed=sum(not fault.landed for fault in faults),
        budget_s=record.scenario.budget_s,
        took_s=round(record.duration_s, 3),
        jobs=tuple(job_rows(record.scenario, story)),
    )
