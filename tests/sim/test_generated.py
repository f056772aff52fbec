"""Generated scenarios under virtual time: hundreds hold, and a lost defence is found and made small."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.sim.conftest import Simulated
from unstuck.checks.port import Verdict
from unstuck.generate.hunting import broken_by, track_down
from unstuck.generate.saving import Origin
from unstuck.generate.strategies import SIM, drawn, scenarios
from unstuck.scenario import Scenario
from unstuck.scenario_file import load
from unstuck.simulation import simulate
from unstuck.targets.reference import catalogue

CATALOGUE = catalogue()
SEED = 1
DRAWN = 80
CONCLUSIVE_LEAST = 0.8
WITHIN = 30  # scenarios, for the loss of a defence to be found

# Defence -> the promise that its loss breaks, and how small the scenario gets: faults, jobs.
LOSSES = {
    "claim_only_queued": ("legal_transitions", 0, 1),
    "complete_idempotency": ("completion_idempotent", 0, 1),
    "drain_on_sigterm": ("drains_cleanly", 1, 1),
    "fencing": ("legal_transitions", 1, 2),
    "lease_recovery": ("every_job_terminal", 1, 1),
    "object_check": ("no_premature_claim", 0, 1),
    "upload_expiry": ("every_job_terminal", 0, 1),
}
OFTEN = frozenset({"drain_on_sigterm", "fencing", "upload_expiry"})  # the others in a soak


@pytest.fixture(scope="module")
def many() -> list[Scenario]:
    return drawn(scenarios(CATALOGUE, SIM, jobs_max=4), DRAWN, seed=SEED)


def broken_in_sim(scenario: Scenario, *defences_off: str) -> Collection[str]:
    with tempfile.TemporaryDirectory() as folder:
        return broken_by(simulate(scenario, SEED, Path(folder), defences_off))


def test_a_sound_service_passes_what_is_generated(run: Simulated, many: list[Scenario]) -> None:
    """No promise is broken, whatever clients and faults come together, and most runs prove something."""
    verdicts = {one.name: run(one, SEED)[0] for one in many}
    failed = {name: verdict.reasons for name, verdict in verdicts.items() if verdict.verdict is Verdict.FAIL}
    assert failed == {}
    conclusive = sum(verdict.verdict is Verdict.PASS for verdict in verdicts.values())
    assert conclusive >= CONCLUSIVE_LEAST * DRAWN, f"{conclusive} of {DRAWN} runs were conclusive"


@pytest.mark.parametrize(
    "defence", [one if one in OFTEN else pytest.param(one, marks=pytest.mark.soak) for one in LOSSES]
)
def test_the_loss_of_a_defence_is_found_and_made_small(
    many: list[Scenario], defence: str, tmp_path: Path
) -> None:
    """Within a few scenarios; what is saved fails by the same promise, and passes with the defence on."""
    by, faults_most, jobs_most = LOSSES[defence]
    number, scenario = next(
        (number, one) for number, one in enumerate(many[:WITHIN]) if by in broken_in_sim(one, defence)
    )
    origin = Origin(seed=SEED, number=number, broken=[by], defences_off=[defence], world="sim")
    found = track_down(scenario, lambda one: broken_in_sim(one, defence), CATALOGUE, tmp_path, origin)
    assert len(found.scenario.faults) <= faults_most
    assert sum(upload.count for upload in found.scenario.workload) <= jobs_most
    saved = load(found.saved.path, CATALOGUE).base_case()
    assert by in broken_in_sim(saved, defence)
    assert not broken_in_sim(saved)
