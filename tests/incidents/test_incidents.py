"""Every incident reproduces on real processes: broken without the defences of that day, whole with them.

The guards of its scenarios are held to what they claim: in the sim where it can do what they need, which
takes seconds, and on real processes otherwise. `unstuck prove` tries all of them on real processes. All runs
are one campaign: each waits for much of its time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from unstuck.campaign import ProcessStage, RunRecord, Stage, run_one, runners
from unstuck.checks.port import Verdict
from unstuck.cli.gate import impossible
from unstuck.errors import ExitCode
from unstuck.faults import FAULTS
from unstuck.plan import make_plan
from unstuck.scenario import Before, Guard, Scenario
from unstuck.scenario_file import ScenarioFile, load
from unstuck.simulation import SimStage
from unstuck.targets.reference import catalogue
from unstuck.targets.reference.simulated.target import SimulatedTarget
from unstuck.worlds.sim import SimWorld

pytestmark = [pytest.mark.incidents, pytest.mark.process, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
JOBS = max(3, (os.cpu_count() or 2) + 1)

Key = tuple[str, tuple[str, ...]]  # the title of a case, and the defences that are off


@cache
def files() -> Sequence[ScenarioFile]:
    """Those of incidents, read once for all who ask."""
    names = catalogue()
    return [load(path, names) for path in sorted((ROOT / "scenarios" / "incidents").rglob("*.yaml"))]


def reproducing() -> list[tuple[Scenario, Before]]:
    """The base case of each scenario that says what was missing on the day of its incident."""
    bases = [file.base_case() for file in files()]
    return [(base, base.before) for base in bases if base.before is not None and impossible(base) is None]


def guarded() -> list[tuple[Scenario, Guard]]:
    """Each guard of an incident's scenario, with its case."""
    both = [(file.case(guard.case), guard) for file in files() for guard in file.base_case().guards]
    return [(case, guard) for case, guard in both if impossible(case) is None]


def healthy() -> list[Scenario]:
    """The base case of each scenario, and each case that a guard is about."""
    cases = [*(file.base_case() for file in files()), *(case for case, _ in guarded())]
    return list({case.title: case for case in cases if impossible(case) is None}.values())


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[Key, RunRecord]:
    """Every run that the tests ask for, each once."""
    wanted: dict[Key, Scenario] = {(case.title, before.defences_off): case for case, before in reproducing()}
    wanted.update({(case.title, (guard.defence,)): case for case, guard in guarded()})
    wanted.update({(case.title, ()): case for case in healthy()})
    reports, stop = tmp_path_factory.mktemp("reports"), threading.Event()
    real = {case.title for case, _ in reproducing()}
    real |= {case.title for case in wanted.values() if not simulated(case)}
    with (
        ProcessStage(stop=stop) as processes,
        closing(SimStage(seed=1)) as sim,
        runners(JOBS, stop) as pool,
    ):

        def run(key: Key, case: Scenario) -> RunRecord:
            stage: Stage = processes if case.title in real else sim
            return run_one(case, stage=stage, reports=reports, seed=1, stop=stop, defences_off=key[1])

        first = sorted(wanted, key=lambda key: key[0] not in real)  # what takes longest
        running = {key: pool.submit(run, key, wanted[key]) for key in first}
        return {key: one.result() for key, one in running.items()}


def simulated(case: Scenario) -> bool:
    """Whether the sim can do all that it needs."""
    plan = make_plan(case, 1, {name: module.NEEDS for name, module in FAULTS.items()})
    return set(plan.needs) <= SimWorld.capabilities | SimulatedTarget.capabilities


def failed(record: RunRecord) -> set[str]:
    assert record.verdict is not None, record.error
    return {one.name for one in record.verdict.properties if one.verdict is Verdict.FAIL}


@pytest.mark.parametrize("one", reproducing(), ids=lambda one: one[0].title)
def test_the_incident_reproduces(one: tuple[Scenario, Before], records: dict[Key, RunRecord]) -> None:
    """Without the defences of its day each property that the scenario names fails."""
    case, before = one
    record = records[case.title, before.defences_off]
    assert failed(record) >= set(before.fails), record.folder


@pytest.mark.parametrize("title", [case.title for case in healthy()])
def test_every_promise_is_kept_with_every_defence_on(title: str, records: dict[Key, RunRecord]) -> None:
    """The same cases, the same seed."""
    record = records[title, ()]
    reasons = record.verdict.reasons if record.verdict else record.error
    assert record.exit_code is ExitCode.PASS, (reasons, record.folder)


@pytest.mark.parametrize("one", guarded(), ids=lambda one: f"{one[0].title} without {one[1].defence}")
def test_the_loss_of_a_defence_is_caught(one: tuple[Scenario, Guard], records: dict[Key, RunRecord]) -> None:
    """By the property that the guard names."""
    case, guard = one
    record = records[case.title, (guard.defence,)]
    assert guard.by in failed(record), record.folder
