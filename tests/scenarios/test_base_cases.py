"""The base case of every scenario passes on real processes, with each fault landed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.conftest import JOBS, scenario_files
from unstuck.campaign import RunRecord, run_many
from unstuck.errors import ExitCode
from unstuck.scenario import Scenario

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("bases"), pytest.mark.timeout(600)]

# The guarded cases of the others run in test_alarms.
NAMES = ("baseline", "database-cut", "missed-event", "old-and-new", "sigterm-api", "upload-never-completed")


def cases() -> list[Scenario]:
    files = {file.name: file for file in scenario_files()}
    shown = [files[name] for name in NAMES]
    return [
        case
        for file in shown
        for case in (file.all_cases() if len(file.all_cases()) <= 7 else [file.base_case()])
    ]


@pytest.fixture(scope="module")
def records(reports: Path) -> dict[str, RunRecord]:
    ran = run_many(cases(), reports=reports, seed=1, jobs=JOBS)
    return {record.scenario.title: record for record in ran}


@pytest.mark.parametrize("title", [case.title for case in cases()])
def test_the_reference_service_keeps_every_promise(records: dict[str, RunRecord], title: str) -> None:
    """A service with all of its defences on passes, and the run proves something."""
    record = records[title]
    reasons = record.verdict.reasons if record.verdict else record.error
    assert record.exit_code is ExitCode.PASS, f"{reasons}; see {record.folder}"
    assert record.verdict is not None
    assert all(row.landed >= 1 for row in record.verdict.faults)
