"""The scenario files of the mission hold in the sim, and fail there without what they guard."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.sim.conftest import Simulated
from unstuck.campaign import run_one
from unstuck.checks.port import Verdict
from unstuck.errors import CapabilityError, ExitCode
from unstuck.scenario import Scenario
from unstuck.scenario_file import ScenarioFile, load
from unstuck.simulation import SimStage
from unstuck.targets.reference import catalogue

REPOSITORY = Path(__file__).parents[2]
CATALOGUE = catalogue()
FILES = {path.stem: load(path, CATALOGUE) for path in sorted((REPOSITORY / "scenarios").glob("*.yaml"))}
ALSO = (
    "checkpoint-corrupted",
    "double-complete",
    "effect-once",
    "sigterm-api",
    "upload-never-completed",
    "worker-killed",
    "worker-paused",
)
"""Scenarios that ask for nothing that the sim lacks."""

GUARDS = [
    (FILES[name], guard.defence, guard.by, FILES[name].case(guard.case))
    for name in ("sigterm-mid-job", *ALSO)
    for guard in FILES[name].base_case().guards
]
SIGTERM: ScenarioFile = FILES["sigterm-mid-job"]

HASH_PROGRAM = """
import hashlib, pathlib, sys
from unstuck.scenario_file import load
from unstuck.simulation import simulate
from unstuck.targets.reference import catalogue
case = load(pathlib.Path(sys.argv[1]), catalogue()).case({"grace_s": 0})
simulate(case, 7, pathlib.Path(sys.argv[2]))
print(hashlib.sha256(pathlib.Path(sys.argv[2], "history.jsonl").read_bytes()).hexdigest())
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_baseline_holds(run: Simulated, seed: int) -> None:
    """Nothing is done to the service: whole videos succeed, hostile ones fail as invalid media."""
    verdict, _ = run(FILES["baseline"].base_case(), seed)
    assert (verdict.verdict, verdict.reasons) == (Verdict.PASS, ())


@pytest.mark.parametrize("case", list(enumerate(SIGTERM.all_cases())), ids=lambda case: case[1].title)
def test_every_case_of_sigterm_mid_job_holds(run: Simulated, case: tuple[int, Scenario]) -> None:
    """Each stage, each grace, with and without overlap; each under a seed of its own."""
    seed, scenario = case
    verdict, _ = run(scenario, seed)
    assert (verdict.verdict, verdict.reasons) == (Verdict.PASS, ())


@pytest.mark.parametrize("name", ALSO)
def test_the_other_scenarios_hold_where_the_sim_can_run_them(run: Simulated, name: str) -> None:
    """The base case of each scenario that needs no link and no memory limit."""
    verdict, _ = run(FILES[name].base_case(), 1)
    assert (verdict.verdict, verdict.reasons) == (Verdict.PASS, ())


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard[0].name}-{guard[1]}")
def test_a_lost_defence_is_caught(run: Simulated, guard: tuple[ScenarioFile, str, str, Scenario]) -> None:
    """With the defence off, the property that its scenario names fails, as on real processes."""
    _, defence, by, case = guard
    verdict, _ = run(case, 1, defence)
    failed = [result.name for result in verdict.properties if result.verdict is Verdict.FAIL]
    assert by in failed, verdict.reasons


def test_a_seed_is_a_schedule(run: Simulated) -> None:
    """The same seed gives the same bytes, another seed another history."""
    first, again, other = (run(SIGTERM.base_case(), seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert moves_of(first) != moves_of(other)


def moves_of(history: bytes) -> list[bytes]:
    """Who moved what and in which order, without the moments."""
    return [line.partition(b'"kind"')[2] for line in history.splitlines() if b'"transition"' in line]


def test_a_seed_is_the_same_schedule_in_every_process(run: Simulated, tmp_path: Path) -> None:
    """The hashes of strings, which differ from process to process, decide nothing."""
    here = hashlib.sha256(run(SIGTERM.case({"grace_s": 0}), 7)[1]).hexdigest()
    started = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / f"hash-{hash_seed}"
        folder.mkdir()
        path = os.pathsep.join([str(REPOSITORY / "harness"), str(REPOSITORY)])
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", HASH_PROGRAM, str(SIGTERM.path), str(folder)],
                env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    assert [process.communicate()[0].strip() for process in started] == [here, here]


def test_what_the_sim_cannot_do_is_refused_before_anything_starts(run: Simulated, tmp_path: Path) -> None:
    """A scenario about links is an error of usage, not a run that proves nothing."""
    with pytest.raises(CapabilityError, match="needs links, which the sim cannot do"):
        run(FILES["missed-event"].base_case(), 1)


def test_a_campaign_runs_a_case_in_the_sim(tmp_path: Path) -> None:
    """The stage of the sim takes the place of real processes: run folder, logs and verdict are there."""
    stage = SimStage(seed=3)
    record = run_one(SIGTERM.base_case(), stage=stage, reports=tmp_path, seed=3, stop=threading.Event())
    stage.close()
    assert (record.exit_code, record.error) == (ExitCode.PASS, None)
    assert record.folder is not None
    log = (record.folder / "logs" / "worker-1.log").read_text()
    assert "msg='claimed'" in log


def test_a_run_does_not_depend_on_the_one_before_it_in_the_same_thread(tmp_path: Path) -> None:
    """The second run of a stage begins at 0, and sees what the first one saw."""
    histories = []
    stage = SimStage(seed=3)
    for _ in range(2):
        record = run_one(SIGTERM.base_case(), stage=stage, reports=tmp_path, seed=3, stop=threading.Event())
        assert record.folder is not None
        begin, *seen = (record.folder / "history.jsonl").read_text().splitlines()
        assert '"kind":"run","phase":"start"' in begin  # the one line that tells the date
        histories.append(seen)
    stage.close()
    assert histories[0] == histories[1]
