"""Every incident reproduces on real processes: broken without the defences of that day, whole with them.

The guards of its scenarios are held to what they claim, as `unstuck prove` does for those of every day.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from unstuck.campaign import ProcessStage, RunRecord, run_one
from unstuck.checks.port import Verdict
from unstuck.errors import ExitCode
from unstuck.scenario import Guard, Scenario
from unstuck.scenario_file import ScenarioFile, load
from unstuck.targets.reference import catalogue

pytestmark = [pytest.mark.incidents, pytest.mark.process, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


def files() -> list[ScenarioFile]:
    names = catalogue()
    return [load(path, names) for path in sorted((ROOT / "scenarios" / "incidents").rglob("*.yaml"))]


def reproducing() -> list[Scenario]:
    """The base case of each scenario that says what was missing on the day of its incident."""
    return [base for file in files() if (base := file.base_case()).before is not None]


def guarded() -> list[tuple[Scenario, Guard]]:
    """Each guard of an incident's scenario, with its case."""
    return [(file.case(guard.case), guard) for file in files() for guard in file.base_case().guards]


def every_case() -> list[Scenario]:
    cases = [*(file.base_case() for file in files()), *(case for case, _ in guarded())]
    return list({case.title: case for case in cases}.values())


def failed(record: RunRecord) -> set[str]:
    assert record.verdict is not None, record.error
    return {one.name for one in record.verdict.properties if one.verdict is Verdict.FAIL}


@pytest.mark.parametrize("case", reproducing(), ids=lambda case: case.title)
def test_the_incident_reproduces(case: Scenario, shared: ProcessStage, tmp_path: Path) -> None:
    """Without the defences of its day each property that the scenario names fails."""
    assert case.before is not None
    record = run_one(
        case,
        stage=shared,
        reports=tmp_path,
        seed=1,
        stop=threading.Event(),
        defences_off=case.before.defences_off,
    )
    assert failed(record) >= set(case.before.fails), record.folder


@pytest.mark.parametrize("case", every_case(), ids=lambda case: case.title)
def test_every_promise_is_kept_with_every_defence_on(
    case: Scenario, shared: ProcessStage, tmp_path: Path
) -> None:
    """The base case of each scenario, and each case that a guard is about."""
    record = run_one(case, stage=shared, reports=tmp_path, seed=1, stop=threading.Event())
    assert record.exit_code is ExitCode.PASS, (record.verdict and record.verdict.reasons, record.folder)


@pytest.mark.parametrize("one", guarded(), ids=lambda one: f"{one[0].title} without {one[1].defence}")
def test_the_loss_of_a_defence_is_caught(
    one: tuple[Scenario, Guard], shared: ProcessStage, tmp_path: Path
) -> None:
    """By the property that the guard names."""
    case, guard = one
    record = run_one(
        case, stage=shared, reports=tmp_path, seed=1, stop=threading.Event(), defences_off=(guard.defence,)
    )
    assert guard.by in failed(record), record.folder
