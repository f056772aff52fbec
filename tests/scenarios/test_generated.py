"""Generated scenarios on real processes: drawn first, run side by side, each held to the service's promises.

A run that proves nothing (its fault met nobody, say) is no failure of the service; how many of them there may
be is bounded, or a generator that draws nonsense would pass. What fails is made smaller and saved.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenarios.conftest import JOBS, ROOT
from unstuck.campaign import ProcessStage, RunRecord, run_many
from unstuck.checks.port import Verdict
from unstuck.clock import utc_date
from unstuck.errors import CapabilityError, ExitCode
from unstuck.generate.hunting import broken_by, main_promise, track_down
from unstuck.generate.saving import Origin
from unstuck.generate.strategies import PROCESS, SIM, drawn, scenarios
from unstuck.scenario import Scenario
from unstuck.scenario_file import load
from unstuck.simulation import simulate
from unstuck.targets.reference import catalogue

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

CATALOGUE = catalogue()
SEED = 1
DRAWN = 20
SIDE_BY_SIDE = JOBS + 1  # they wait most of the time; other tests run beside them
CONCLUSIVE_LEAST = 0.8
SAVED_IN = ROOT / "reports"  # it outlives the test run
REAL_RUNS_MAX = 12  # to make a failure smaller that does not show in the sim
ALWAYS = ("every_job_terminal", "no_job_lost", "terminal_is_final", "effects")


def run_all(
    cases: Sequence[Scenario],
    reports: Path,
    seed: int,
    defences_off: tuple[str, ...] = (),
    *,
    place: nullcontext[ProcessStage] | None = None,
) -> list[RunRecord]:
    return run_many(
        cases, reports=reports, seed=seed, jobs=SIDE_BY_SIDE, defences_off=defences_off, place=place
    )


@pytest.fixture(scope="module")
def batch(reports: Path, shared: nullcontext[ProcessStage]) -> list[RunRecord]:
    """All of them are drawn before the first one runs."""
    cases = drawn(scenarios(CATALOGUE, PROCESS, deeds_max=2), DRAWN, seed=SEED)
    return run_all(cases, reports, SEED, place=shared)


def broken_in_sim(scenario: Scenario, seed: int, *defences_off: str) -> Collection[str]:
    """The properties that fail under virtual time; none where it cannot run there."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return broken_by(simulate(scenario, seed, Path(folder), defences_off))
        except CapabilityError:
            return ()


def what_is_to_be_done(record: RunRecord, number: int, reports: Path, seed: int) -> str:
    """Makes a scenario that failed smaller, in virtual time if it fails there too, and saves it."""
    scenario = record.scenario
    origin = Origin(seed=seed, number=number, broken=sorted(broken_by(record.verdict)), run_seed=seed)
    by = main_promise(origin.broken)

    def for_real(one: Scenario) -> Collection[str]:
        return broken_by(run_all([one], reports, seed)[0].verdict)

    def simulated(one: Scenario) -> Collection[str]:
        return broken_in_sim(one, seed)

    in_sim = by in simulated(scenario)
    found = track_down(
        scenario,
        simulated if in_sim else for_real,
        CATALOGUE,
        SAVED_IN,
        replace(origin, world="sim") if in_sim else origin,
        runs_max=200 if in_sim else REAL_RUNS_MAX,
    )
    reasons = record.verdict.reasons if record.verdict else record.error
    return "\n".join(
        [f"{by}: {reasons}; see {record.folder}", f"made smaller: {found.saved.path}", found.saved.command]
    )


def kept(record: RunRecord, number: int, reports: Path, seed: int) -> None:
    """No promise is broken; where the run proves anything, the main ones were judged."""
    if record.exit_code is ExitCode.FAIL:
        pytest.fail(what_is_to_be_done(record, number, reports, seed))
    assert record.exit_code in (ExitCode.PASS, ExitCode.INCONCLUSIVE), f"{record.error}; see {record.folder}"
    assert record.verdict is not None
    verdicts = {result.name: result for result in record.verdict.properties}
    for name in ALWAYS:
        assert verdicts[name].verdict is not Verdict.FAIL
        if record.exit_code is ExitCode.PASS and name in record.scenario.expect:
            assert verdicts[name].judged


def conclusive(records: Sequence[RunRecord]) -> float:
    return sum(record.exit_code is ExitCode.PASS for record in records) / len(records)


@pytest.mark.parametrize("number", range(DRAWN))
def test_a_sound_service_passes_what_is_generated(batch: list[RunRecord], number: int, reports: Path) -> None:
    """Every job ends, none is lost, no end is taken back, and each effect is applied once."""
    kept(batch[number], number, reports, SEED)


def test_most_generated_runs_prove_something(batch: list[RunRecord]) -> None:
    """Eight in ten, or the generator draws what cannot happen."""
    reasons = {
        record.scenario.name: record.verdict.reasons
        for record in batch
        if record.verdict and record.exit_code is ExitCode.INCONCLUSIVE
    }
    assert conclusive(batch) >= CONCLUSIVE_LEAST, f"{conclusive(batch):.0%} were conclusive: {reasons}"


def chain(defence: str, by: str, reports: Path, place: nullcontext[ProcessStage]) -> None:
    """The loss of a defence is found in the sim, made small there, saved, and fails on real processes."""
    drawn_ones = drawn(scenarios(CATALOGUE, SIM), 40, seed=SEED)
    number, scenario = next(
        (number, one) for number, one in enumerate(drawn_ones) if by in broken_in_sim(one, SEED, defence)
    )
    origin = Origin(seed=SEED, number=number, broken=[by], run_seed=SEED, defences_off=[defence], world="sim")
    found = track_down(scenario, lambda one: broken_in_sim(one, SEED, defence), CATALOGUE, reports, origin)
    assert len(found.scenario.faults) <= 1
    assert sum(upload.count for upload in found.scenario.workload) <= 2
    saved = load(found.saved.path, CATALOGUE).base_case()
    [record] = run_all([saved], reports, SEED, (defence,), place=place)
    assert record.exit_code is ExitCode.FAIL, f"{record.error}; see {record.folder}"
    assert by in broken_by(record.verdict)


@pytest.mark.slow
def test_a_loss_that_is_found_in_the_sim_is_one_on_real_processes(
    reports: Path, shared: nullcontext[ProcessStage]
) -> None:
    """The whole chain: drawn, failed, made small, saved, and run as the file that was saved."""
    chain("drain_on_sigterm", "drains_cleanly", reports, shared)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    ("defence", "by"),
    [
        ("lease_recovery", "every_job_terminal"),
        ("fencing", "legal_transitions"),
        ("upload_expiry", "every_job_terminal"),
        ("object_check", "no_premature_claim"),
        ("claim_only_queued", "legal_transitions"),
    ],
)
def test_other_losses_are_found_as_well(
    defence: str, by: str, reports: Path, shared: nullcontext[ProcessStage]
) -> None:
    """The same chain, for defences whose loss takes the whole recovery budget to show."""
    chain(defence, by, reports, shared)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_sound_service_passes_hundreds(
    request: pytest.FixtureRequest, reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """New ones each time; the seed is printed, and every failure is saved with the command that runs it."""
    given = request.config.getoption("--generate-seed")
    seed = int(utc_date().timestamp()) if given is None else int(given)
    count = int(request.config.getoption("--generate-count"))
    with capsys.disabled():  # a soak that is killed has to have said it
        sys.stdout.write(f"\npytest -m soak --generate-seed {seed} --generate-count {count}\n")
    records = run_all(drawn(scenarios(CATALOGUE, PROCESS), count, seed=seed), reports, seed)
    failed = []
    for number, record in enumerate(records):
        if record.exit_code is ExitCode.FAIL:
            failed.append(what_is_to_be_done(record, number, reports, seed))
        elif record.exit_code not in (ExitCode.PASS, ExitCode.INCONCLUSIVE):
            failed.append(f"{record.scenario.name}: {record.error}; see {record.folder}")
    rate = conclusive(records)
    with capsys.disabled():
        sys.stdout.write(f"{rate:.0%} of {count} generated runs were conclusive\n")
    assert not failed, "\n\n".join([f"seed {seed}", *failed])
    assert rate >= CONCLUSIVE_LEAST
