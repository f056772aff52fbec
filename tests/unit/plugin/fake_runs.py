"""Runs that start nothing: every case gets a folder with a made-up history, judged as any other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.unit.report.made_up import history, write_history
from unstuck.campaign import RunRecord
from unstuck.checks.verdict import judge
from unstuck.errors import ExitCode
from unstuck.history import Event
from unstuck.rundir import RecordedPlan, create, write_plan
from unstuck.scenario import Scenario

JOB = """
name: {name}
summary: A made-up scenario.
workload:
  - upload: {{count: 2}}
expect:
  every_job_terminal: {{within_s: 20}}
"""


@dataclass(kw_only=True)
class FakeRuns:
    """Stands for `unstuck.campaign.run_one`. Each set names scenarios that end so; all others pass."""

    stuck: frozenset[str] = frozenset()
    unclear: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()  # by an error of the harness
    during: Callable[[Scenario], None] = lambda _: None
    ran: list[str] = field(default_factory=list)
    given: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, case: Scenario, *, reports: Path, seed: int, **given: Any) -> RunRecord:
        assert isinstance(given["stop"], threading.Event)
        self.ran.append(case.title)
        self.given.append({**given, "seed": seed, "reports": reports})
        self.during(case)
        if case.name in self.broken:
            return RunRecord(
                scenario=case, verdict=None, error="the zygote is gone", exit_code=ExitCode.HARNESS,
                folder=None, duration_s=0.5,
            )  # fmt: skip
        folder = create(reports, case, seed=seed)
        write_plan(folder, RecordedPlan(scenario=case.name, case=case.case, seed=seed))
        told = self._history(case, seed)
        write_history(folder.history, told)
        verdict = judge(told)
        return RunRecord(
            scenario=case, verdict=verdict, error=None, exit_code=verdict.exit_code,
            folder=folder.path, duration_s=12.0,
        )  # fmt: skip

    def _history(self, case: Scenario, seed: int) -> Any:
        made_up = history(stuck=2 if case.name in self.stuck else 0)
        first, *others = made_up.events
        expect: dict[str, dict[str, object]] = {"every_job_terminal": {}}
        if case.name in self.unclear:
            expect["drains_cleanly"] = {}  # nothing drains in it
        facts = {**first.data, "scenario": case.name, "case": dict(case.case), "seed": seed, "expect": expect}
        return replace(made_up, events=(Event(*first[:6], facts), *others))
