"""What is drawn: valid, different, the same for the same seed, and within what was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from reference_service.settings import Settings
from unstuck.checks import attempts_bounded
from unstuck.faults import FAULTS
from unstuck.generate import deeds
from unstuck.generate.deeds import Deed
from unstuck.generate.strategies import MEMORY, PROCESS, SIM, drawn, scenarios
from unstuck.generate.whole import ATTEMPT_S, ATTEMPTS_MAX, LOSSES_SPARED, PERIODS, budget_of
from unstuck.plan import make_plan
from unstuck.scenario import RoleOptions, Scenario
from unstuck.targets.reference import catalogue

ROOT = Path(__file__).parents[3]
CATALOGUE = catalogue()
NEEDS = {name: module.NEEDS for name, module in FAULTS.items()}
EVERYTHING = PROCESS | {MEMORY}
PROGRAM = """
from unstuck.generate.strategies import drawn, scenarios
from unstuck.targets.reference import catalogue
print(*[one.name for one in drawn(scenarios(catalogue()), 8, seed=7)])
"""
steady = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def many() -> list[Scenario]:
    return drawn(scenarios(CATALOGUE, EVERYTHING), 250, seed=1)


@settings(steady, max_examples=60)
@given(scenarios(CATALOGUE, SIM))
def test_a_scenario_needs_no_more_than_the_world_can_do(scenario: Scenario) -> None:
    """Whatever is drawn for the sim can be planned, and run there."""
    assert set(make_plan(scenario, 1, NEEDS).needs) <= SIM


@settings(steady, max_examples=60)
@given(scenarios(CATALOGUE, jobs_max=2, deeds_max=1))
def test_a_scenario_is_no_larger_than_was_asked_for(scenario: Scenario) -> None:
    """Jobs and deeds have their bounds; a deed is two faults at most."""
    assert sum(upload.count for upload in scenario.workload) <= 2
    assert len(scenario.faults) <= 2


def test_a_seed_draws_the_same_scenarios_in_every_process() -> None:
    """Whatever else is imported, and whatever the hashes of strings are."""
    here = [one.name for one in drawn(scenarios(CATALOGUE), 8, seed=7)]
    path = os.pathsep.join([str(ROOT / "harness"), str(ROOT)])
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == here


def test_another_seed_draws_other_scenarios() -> None:
    """So that each soak sees something new."""
    first, second = ({one.name for one in drawn(scenarios(CATALOGUE), 8, seed=seed)} for seed in (1, 2))
    assert len(first) == len(second) == 8
    assert not first & second


BY_DECISION = {"manual_update", "back_up", "migrate", "restore_backup", "pause_recovery", "trigger_recovery"}


def test_every_kind_of_fault_is_drawn(many: list[Scenario]) -> None:
    """Of every fault that there is but one, and each more than once.

    Who asked without a time limit would wait for ever at a connection that went deaf: `drop_message` would
    say that of each client, and never anything else. `clock` needs a compiler, which not every machine has,
    and the same scenarios are to be drawn on all of them. `hang_here` is long work, from which nobody has to
    recover. `fill_disk` needs a role with a disk of its own. Who updates rows by hand, migrates or pauses
    recovery decides to.
    """
    counted = Counter(fault.name for one in many for fault in one.faults)
    assert set(counted) == set(FAULTS) - {"clock", "drop_message", "fill_disk", "hang_here", *BY_DECISION}
    assert min(counted.values()) >= 2, counted


def test_every_kind_of_client_and_trigger_is_drawn(many: list[Scenario]) -> None:
    """Well and ill behaved ones, and faults at states, stages, points, messages, ops, times and faults."""
    kinds = {upload.tag.partition("-")[0] for one in many for upload in one.workload}
    assert kinds == {
        *("job", "silent", "parts", "early", "vanished", "half", "hasty", "late", "tardy", "withdrawn"),
        *("undecided", "hostile"),
    }
    triggers = {type(fault.when).__name__ for one in many for fault in one.faults}
    assert triggers == {"OnStart", "OnTime", "OnState", "OnPoint", "OnMessage", "OnOp", "OnFault"}


def test_most_scenarios_do_something_to_the_service(many: list[Scenario]) -> None:
    """A tenth or so is left alone, which has to hold as well."""
    assert 0.02 <= sum(not one.faults for one in many) / len(many) <= 0.25


def test_a_budget_outlasts_every_period_that_a_recovery_waits_for(many: list[Scenario]) -> None:
    """A budget that a sound service could miss would be a false alarm."""
    for one in many:
        attempts = 1 + sum(fault.name != "heal" for fault in one.faults)
        assert one.budget_s >= float(one.settings["upload_deadline_s"]) + 4.0 * min(attempts, 3)


def test_a_budget_has_a_lease_for_each_attempt_that_may_be_lost() -> None:
    """However many: five losses are spared, and behind an effect more are. A poisoned job crashes besides."""

    def budget_s(strokes: int, *, poisons: str | None = None) -> float:
        deeds = [Deed(faults=(), strokes=1) for _ in range(strokes)]
        poison = Deed(faults=(), poisons=poisons)
        return budget_of((), [*deeds, poison], {"upload_deadline_s": 3.0}, RoleOptions())

    steps = [budget_s(strokes + 1) - budget_s(strokes) for strokes in range(12)]
    assert min(steps) >= PERIODS["lease_s"] + ATTEMPT_S
    assert budget_s(1, poisons="job") >= budget_s(1 + ATTEMPTS_MAX)


def test_the_limits_are_those_of_the_service() -> None:
    """Generator and property know them without importing it."""
    limits = (Settings.model_fields["attempts_max"].default, Settings.model_fields["losses_spared"].default)
    assert limits == (ATTEMPTS_MAX, LOSSES_SPARED)
    assert limits == (attempts_bounded.MOST, attempts_bounded.LOSSES_SPARED)


@pytest.fixture(scope="module")
def unsparing() -> list[Scenario]:
    return drawn(scenarios(CATALOGUE, deeds_max=6, unsparing=True), 120, seed=1)


def test_an_unsparing_scenario_has_no_regard_to_attempts(unsparing: list[Scenario]) -> None:
    """The limit stays the service's own however many faults there are, and whoever is away may stay away."""
    assert not any("attempts_max" in one.settings for one in unsparing)
    assert max(len(one.faults) for one in unsparing) >= 6
    lengths = {getattr(fault.parameters, "for_s", 0.0) for one in unsparing for fault in one.faults}
    assert {0.3, 40.0} <= lengths


def test_an_unsparing_budget_outlasts_all_faults_in_a_row(unsparing: list[Scenario]) -> None:
    """Whoever was hit by the first may have to wait for the others."""
    for one in unsparing:
        assert one.budget_s > sum(getattr(fault.parameters, "for_s", 0.0) or 0.0 for fault in one.faults)


def test_what_can_land_once_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to rot an artefact ends the attempt that the second would need."""
    rot = [maker for maker in deeds.MAKERS if "corrupt_artefacts" in maker[1]]
    monkeypatch.setattr(deeds, "MAKERS", [*rot, (deeds._mended, ("pause", "heal"), "", 1)])
    found = drawn(scenarios(CATALOGUE, deeds_max=6, unsparing=True), 20, seed=1)
    rotten = [sum(fault.name == "corrupt_artefacts" for fault in one.faults) for one in found]
    assert set(rotten) == {0, 1}
    assert max(len(one.faults) for one in found) > 4  # others came after it


def test_an_unsparing_scenario_expects_no_end_of_any_job(unsparing: list[Scenario]) -> None:
    """What is measured is how many succeed; that each ends, and by no broken promise, is still demanded."""
    assert not any("outcomes" in one.expect for one in unsparing)
    assert all(
        {"every_job_terminal", "no_job_lost", "terminal_is_final"} <= set(one.expect) for one in unsparing
    )
