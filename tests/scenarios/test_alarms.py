"""Every alarm is proved on real processes: silent with the defence, loud without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.conftest import JOBS, scenario_files
from unstuck.errors import ExitCode
from unstuck.prove.matrix import Proof, prove

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

DEFENCES = sorted({guard.defence for file in scenario_files() for guard in file.base_case().guards})


@pytest.fixture(scope="module")
def proof(reports: Path) -> Proof:
    return prove(scenario_files(), defences=DEFENCES, reports=reports, seed=1, jobs=JOBS + 1)


@pytest.mark.parametrize("defence", DEFENCES)
def test_the_loss_of_a_defence_is_caught_by_the_intended_property(proof: Proof, defence: str) -> None:
    """Without the defence, the scenario that guards it fails, and by the property that it names."""
    rows = [row for row in proof.rows if row.defence == defence]
    assert rows
    for row in rows:
        assert row.caught, f"{row.title}: {row.by} did not fail ({row.note}); see {row.record.folder}"


@pytest.mark.parametrize("defence", DEFENCES)
def test_the_same_case_passes_with_every_defence_on(proof: Proof, defence: str) -> None:
    """The alarm is about the defence: with it, the very same case passes."""
    for row in proof.rows:
        if row.defence == defence:
            reasons = row.control.verdict.reasons if row.control.verdict else row.control.error
            assert row.control_passed, f"{row.title}: {reasons}; see {row.control.folder}"


def test_every_falsified_history_is_caught(proof: Proof) -> None:
    """Healthy histories of real runs, broken in each of the known ways, fail by the intended property."""
    assert {m.mutator: m.missed for m in proof.mutations if m.caught != m.tried} == {}
    assert sum(m.tried for m in proof.mutations) >= 50


def test_the_matrix_leaves_no_defence_unguarded(proof: Proof) -> None:
    """Each defence that a scenario of every day claims is tried; the rest in `tests/incidents`."""
    assert proof.unguarded == ()
    assert proof.exit_code is ExitCode.PASS
