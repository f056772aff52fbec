"""Every incident reproduces on real processes: broken without the defences of that day, whole with them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from unstuck.campaign import ProcessStage, RunRecord, run_one
from unstuck.checks.port import Verdict
from unstuck.errors import ExitCode
from unstuck.scenario import Scenario
from unstuck.scenario_file import load
from unstuck.targets.reference import catalogue

pytestmark = [pytest.mark.incidents, pytest.mark.process, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


def reproducing() -> list[Scenario]:
    """The base case of each scenario that says what was missing on the day of its incident."""
    names = catalogue()
    paths = sorted((ROOT / "scenarios" / "incidents").rglob("*.yaml"))
    bases = [load(path, names).base_case() for path in paths]
    return [base for base in bases if base.before is not None]


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


@pytest.mark.parametrize("case", reproducing(), ids=lambda case: case.title)
def test_it_does_not_happen_with_every_defence_on(
    case: Scenario, shared: ProcessStage, tmp_path: Path
) -> None:
    """The same case, the same seed, with all defences: each promise is kept."""
    record = run_one(case, stage=shared, reports=tmp_path, seed=1, stop=threading.Event())
    assert record.exit_code is ExitCode.PASS, (record.verdict and record.verdict.reasons, record.folder)
