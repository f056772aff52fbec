"""The base case of every scenario passes on real processes, with each fault landed."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.scenarios.conftest import JOBS, scenario_files
from unstuck.campaign import ProcessStage, RunRecord, run_many
from unstuck.cli.gate import impossible
from unstuck.errors import ExitCode
from unstuck.scenario import Scenario

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

# Scenarios whose alternatives differ in kind; of the others the base case stands for all here, and the
# gate, the soak and test_alarms (which runs every guarded case) do the rest.
WHOLE = frozenset({"database-cut", "missed-event", "upload-never-completed"})
BASE = frozenset({"clock-ahead", "old-and-new", "sigterm-api"})  # `baseline`: tests/docs


def cases() -> list[Scenario]:
    chosen = []
    for file in scenario_files():
        guarded = {file.case(guard.case).title for guard in file.base_case().guards}
        if file.name in WHOLE:
            chosen += [case for case in file.all_cases() if case.title not in guarded]
        elif file.name in BASE and impossible(file.base_case()) is None:  # no old version, no compiler
            chosen.append(file.base_case())
    return chosen


@pytest.fixture(scope="module")
def records(reports: Path, shared: nullcontext[ProcessStage]) -> dict[str, RunRecord]:
    ran = run_many(cases(), reports=reports, seed=1, jobs=JOBS + 1, place=shared)
    return {record.scenario.title: record for record in ran}


@pytest.mark.parametrize("title", [case.title for case in cases()])
def test_the_reference_service_keeps_every_promise(records: dict[str, RunRecord], title: str) -> None:
    """A service with all of its defences on passes, and the run proves something."""
    record = records[title]
    reasons = record.verdict.reasons if record.verdict else record.error
    assert record.exit_code is ExitCode.PASS, f"{reasons}; see {record.folder}"
    assert record.verdict is not None
    assert all(row.landed >= 1 for row in record.verdict.faults)
