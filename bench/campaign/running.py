"""Runs the scenarios of a campaign side by side until enough valid jobs are in its journal."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
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


class Supply:
    """Hands out scenarios until there are enough valid jobs, or the time is over; used by many threads."""

    def __init__(self, drawn: Iterator[Scenario], journal: Journal, *, valid: int, within_s: float) -> None:
        self._drawn = drawn
        self._journal = journal
        self._done = journal.names
        self._valid = valid
        self._deadline_ns = monotonic_ns() + within_s * 1e9
        self._lock = threading.Lock()

    def next(self) -> Scenario | None:
        """None: it is enough. A run that has begun is finished and counted, so that a few jobs more come."""
        with self._lock:
            while self._journal.valid < self._valid and monotonic_ns() < self._deadline_ns:
                case = next(self._drawn)
                if case.name not in self._done:
                    self._done |= {case.name}
                    return case
        return None


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
    if simulated:
        with closing(SimStage(seed=seed)) as stage:
            _work(supply, journal, stage, seed, stop, reports)
        return
    place: AbstractContextManager[Stage] = ProcessStage(stop=stop)
    with place as real, runners(side_by_side, stop) as pool:
        threads = [
            pool.submit(_work, supply, journal, real, seed, stop, reports) for _ in range(side_by_side)
        ]
        for thread in threads:
            thread.result()


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
