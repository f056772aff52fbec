"""A failing scenario gets smaller as long as it still fails, and is saved with the command that runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from unstuck.generate.saving import Origin, save
from unstuck.generate.shrinking import shrink
from unstuck.generate.strategies import drawn, scenarios
from unstuck.scenario import OnFault, Scenario
from unstuck.scenario_file import load, loads
from unstuck.targets.reference import catalogue

CATALOGUE = catalogue()
LARGE = """
name: large
summary: Several clients and a chain of faults.
settings: {upload_deadline_s: 3, lease_s: 3}
roles:
  worker: {replicas: 3}
workload:
  - upload: {count: 3, start_s: 0.5, every_s: 0.2, steps: [initiate, put, complete, {wait: {s: 1}}]}
  - upload: {count: 2, tag: vanished, steps: [initiate]}
faults:
  - when: {op: initiate_upload, nth: 3}
    while: {open_jobs: ">=1"}
    pause: {role: sweeper, which: all, for_s: 5}
  - when: {fault: 0, phase: landed}
    heal: {fault: 0}
  - when: {point: worker.stage.started, job: job, stage: frames, nth: 2}
    crash_here: {}
expect:
  every_job_terminal: {within_s: 30}
  outcomes: {job: {exactly: 3, state: succeeded}, vanished: {exactly: 2, state: expired}}
"""


def large() -> Scenario:
    return loads(LARGE, Path("large.yaml"), CATALOGUE).base_case()


def jobs(scenario: Scenario) -> int:
    return sum(upload.count for upload in scenario.workload)


def names(scenario: Scenario) -> list[str]:
    return [fault.name for fault in scenario.faults]


def test_what_does_not_matter_goes() -> None:
    """Of a failure that needs one fault, one fault, one client and its plainest steps are left."""
    shrunk = shrink(large(), lambda one: "crash_here" in names(one), CATALOGUE).scenario
    assert names(shrunk) == ["crash_here"]
    assert jobs(shrunk) == 1
    assert shrunk.workload[0].start_s == 0
    assert [type(step).__name__ for step in shrunk.workload[0].steps] == ["Initiate"]
    assert (dict(shrunk.settings), dict(shrunk.roles)) == ({"upload_deadline_s": 3}, {})
    assert shrunk.text.startswith(f"name: {shrunk.name}\n")


def test_a_fault_goes_with_those_that_wait_for_it() -> None:
    """What is left is numbered anew, and refers to what it referred to."""
    shrunk = shrink(large(), lambda one: "heal" in names(one), CATALOGUE).scenario
    assert names(shrunk) == ["pause", "heal"]
    assert shrunk.faults[1].when == OnFault(fault=0, phase="landed")
    assert shrunk.faults[1].parameters.fault == 0


def test_what_is_expected_follows_what_is_left() -> None:
    """Of fewer jobs fewer are expected, and of a tag that is gone none."""
    shrunk = shrink(large(), lambda one: jobs(one) >= 2 and "outcomes" in one.expect, CATALOGUE).scenario
    assert jobs(shrunk) == 2
    [(tag, rule)] = shrunk.expect["outcomes"].items()
    assert rule["exactly"] == 2
    assert tag == shrunk.workload[0].tag


def test_what_a_sound_service_passes_it_passes_when_it_is_smaller() -> None:
    """Of a client that does something else, and under other settings, no end is expected."""
    asked: list[Scenario] = []

    def note(one: Scenario) -> bool:
        asked.append(one)
        return False

    shrink(large(), note, CATALOGUE)
    steps = {upload.tag: upload.steps for upload in large().workload}
    for one in asked:
        expected = one.expect.get("outcomes", {})
        assert all(u.steps == steps[u.tag] for u in one.workload if u.tag in expected)
        assert not expected or (one.settings, one.roles) == (large().settings, large().roles)


def test_a_failure_that_needs_everything_stays_as_it_is() -> None:
    """Nothing is dropped that the failure needs, and every question is asked once."""
    asked: list[str] = []

    def never(one: Scenario) -> bool:
        asked.append(one.name)
        return False

    shrunk = shrink(large(), never, CATALOGUE)
    assert shrunk.scenario == large()
    assert shrunk.runs == len(asked) == len(set(asked))


def test_the_number_of_runs_is_bounded() -> None:
    """On real processes each question takes seconds."""
    assert shrink(large(), lambda _: True, CATALOGUE, runs_max=3).runs == 3


@pytest.mark.parametrize(
    "scenario", drawn(scenarios(CATALOGUE, deeds_max=3), 12, seed=3), ids=lambda s: s.name
)
def test_everything_smaller_is_valid(scenario: Scenario) -> None:
    """Whatever is asked about loads, and the end of dropping everything is one client and no fault."""
    shrunk = shrink(scenario, lambda _: True, CATALOGUE).scenario
    assert (jobs(shrunk), shrunk.faults) == (1, ())


def test_a_saved_scenario_says_where_it_came_from_and_how_to_run_it(tmp_path: Path) -> None:
    """The file loads as it is, and its head is for a person who has never seen it."""
    [scenario] = drawn(scenarios(CATALOGUE), 1, seed=5)
    origin = Origin(
        seed=5,
        number=17,
        broken=["effects"],
        run_seed=9,
        defences_off=["fencing"],
        world="sim",
        drawn_as="large",
    )
    saved = save(scenario, tmp_path / "reports", origin)
    assert saved.path == tmp_path / "reports" / "found" / f"{scenario.name}.yaml"
    assert saved.command == f"unstuck run {saved.path} --seed 9 --defence-off fencing"
    assert load(saved.path, CATALOGUE).base_case().workload == scenario.workload
    head = saved.path.read_text(encoding="utf-8").partition("name:")[0].splitlines()
    assert head == [
        "# Generated: seed 5, number 17.",
        "# Drawn as large, then made smaller.",
        "# Failed in the sim world with fencing off by: effects.",
        f"# Run it: {saved.command}",
    ]
