"""A campaign that starts nothing: every case gets a folder with a made-up history, judged as any other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.unit.report.made_up import history, write_history
from unstuck.campaign import Progress, RunRecord, Tell, excluded
from unstuck.checks.verdict import judge
from unstuck.errors import ExitCode
from unstuck.history import Event, History
from unstuck.rundir import RecordedPlan, create, write_plan
from unstuck.scenario import Scenario


class FakeCampaign:
    """Stands for `unstuck.campaign.run_many`. `stuck` names the scenarios whose jobs get stuck; for the
    `last` cases no time is left."""

    def __init__(
        self, *, stuck: Sequence[str] = (), before: Callable[[], None] = lambda: None, last: int = 0
    ) -> None:
        self._last = last
        self.calls: list[dict[str, Any]] = []
        self.cases: list[Scenario] = []
        self._stuck = stuck
        self._before = before

    def __call__(
        self,
        cases: Sequence[Scenario],
        *,
        reports: Path,
        seed: int,
        progress: Tell,
        stop: threading.Event,
        **rest: Any,
    ) -> list[RunRecord]:
        self._before()
        self.calls.append({"reports": reports, "seed": seed, **rest})
        self.cases += cases
        first = cases[: len(cases) - self._last]
        ran = [self._run(case, reports, seed, progress, stop, rest) for case in first]
        why = f"the time budget of {rest.get('time_budget_s'):g} s was used up" if self._last else ""
        return ran + [excluded(case, why) for case in cases[len(first) :]]

    def _run(
        self,
        case: Scenario,
        reports: Path,
        seed: int,
        progress: Tell,
        stop: threading.Event,
        rest: dict[str, Any],
    ) -> RunRecord:
        progress(Progress(title=case.title, phase="running", note="SIGTERM to worker-1"))
        folder = create(reports, case, seed=seed)
        write_plan(
            folder,
            RecordedPlan(
                scenario=case.name, case=case.case, seed=seed, defences_off=rest.get("defences_off", ())
            ),
        )
        told = _of(case, history(stuck=2 if case.name in self._stuck else 0), seed)
        write_history(folder.history, told)
        verdict = judge(told)
        record = RunRecord(
            scenario=case,
            verdict=verdict,
            error=None,
            exit_code=ExitCode.INTERRUPTED if stop.is_set() else verdict.exit_code,
            folder=folder.path,
            duration_s=1.0,
        )
        progress(Progress(title=case.title, phase="done", note="", record=record))
        return record


def _of(case: Scenario, told: History, seed: int) -> History:
    """The history with the names of the case in its first event."""
    first, *others = told.events
    facts = {**first.data, "scenario": case.name, "case": dict(case.case), "seed": seed}
    return replace(told, events=(Event(*first[:6], facts), *others))
