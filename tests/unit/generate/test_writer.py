"""A scenario that is written as a file loads as the same scenario."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unstuck.generate.strategies import MEMORY, PROCESS, scenarios
from unstuck.scenario import OnMessage, Scenario, Upload
from unstuck.scenario_file import load, loads
from unstuck.scenario_writer import dump
from unstuck.targets.reference import catalogue

CATALOGUE = catalogue()
FILES = sorted(Path(__file__).parents[3].joinpath("scenarios").rglob("*.yaml"))
steady = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def read(text: str) -> Scenario:
    return loads(text, Path("written.yaml"), CATALOGUE).base_case()


def bare(scenario: Scenario) -> Scenario:
    """Without where it came from: file, text, lines, and which case of which file it was."""
    faults = tuple(replace(fault, line=None) for fault in scenario.faults)
    return replace(scenario, source=None, text="", case={}, guards=(), faults=faults)


@settings(steady, max_examples=80)
@given(scenarios(CATALOGUE, PROCESS | {MEMORY}, jobs_max=6, deeds_max=4))
def test_every_generated_scenario_comes_back(scenario: Scenario) -> None:
    """Written and read again it is equal, and written again it is the same text."""
    text = dump(scenario, header=["From here."])
    assert bare(read(text)) == bare(scenario)
    assert dump(read(text), header=["From here."]) == text
    assert max(map(len, text.splitlines())) <= 220  # a summary may be long


@pytest.mark.parametrize("odd", ["\x07", "\x00", "\x7f", "\ufffe", "\udcff"], ids=ascii)
def test_a_head_with_odd_characters_leaves_a_file_that_loads(odd: str) -> None:
    """The head names a path, and a path may hold anything: what YAML forbids is spelt out."""
    text = dump(load(FILES[0], CATALOGUE).base_case(), header=[f"Run it: unstuck run reports{odd}/a.yaml"])
    assert read(text.encode().decode()).workload
    assert text.startswith(f"# Run it: unstuck run reports{ascii(odd)[1:-1]}/a.yaml\n")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_case_of_a_shipped_file_comes_back(path: Path) -> None:
    """Alternatives and matrix are filled in; the guards that are about the case stay with it."""
    for case in load(path, CATALOGUE).all_cases():
        back = read(dump(case))
        assert bare(back) == bare(case)
        assert {guard.defence for guard in back.guards} <= {guard.defence for guard in case.guards}


def test_the_day_of_an_incident_comes_back() -> None:
    """What was missing, what it broke and what happened, of a file with one case."""
    path = FILES[0].parent / "incidents" / "deployment-resilience" / "deployment-resilience.yaml"
    base = load(path, CATALOGUE).base_case()
    assert base.before is not None
    assert read(dump(replace(base, case={}))).before == base.before
    assert read(dump(replace(base, case={"stage": "scenes"}))).before is None


@settings(steady, max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.split()))
def test_whatever_a_summary_says_comes_back(summary: str) -> None:
    """Quotes, colons, numbers, control characters and other scripts included."""
    scenario = replace(load(FILES[0], CATALOGUE).base_case(), summary=" ".join(summary.split()))
    assert read(dump(scenario)).summary == scenario.summary


@settings(steady, max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_a_message_contains_comes_back(contains: str) -> None:
    """The same inside of braces, where commas and brackets mean something."""
    file = next(path for path in FILES if path.stem == "missed-event")
    case = load(file, CATALOGUE).base_case()
    [fault] = case.faults
    assert isinstance(fault.when, OnMessage)
    changed = replace(case, faults=(replace(fault, when=replace(fault.when, contains=contains)),))
    if not contains.startswith("$"):  # `$name` means a value of a matrix, wherever it stands
        assert bare(read(dump(changed))) == bare(changed)


def test_half_a_character_is_refused() -> None:
    """No file can hold it, and half a file would be worse than an error."""
    scenario = replace(load(FILES[0], CATALOGUE).base_case(), summary="\ud800")
    with pytest.raises(ValueError, match="half of a character"):
        dump(scenario)


def test_it_reads_as_if_a_person_had_written_it() -> None:
    """What is as it would be anyway is left out, a number that is whole has no fraction, words stay bare."""
    file = next(path for path in FILES if path.stem == "sigterm-mid-job")
    case = load(file, CATALOGUE).case({"grace_s": 0})
    assert (
        dump(replace(case, workload=(Upload(count=2),)), header=["From a run of mine.", "", "Seed 7."])
        == WRITTEN
    )


WRITTEN = """\
# From a run of mine.
#
# Seed 7.
name: sigterm-mid-job
summary: A deploy replaces the workers while jobs are being processed. Nothing is left behind.

incident: deployment-resilience
budget_s: 15

workload:
  - upload: {count: 2}

faults:
  - when: {enters: active, stage: scenes, hold: true}
    while: {active_jobs: ">=1"}
    rolling_replace: {role: worker, grace_s: 0}

expect:
  every_job_terminal: {within_s: 15}
  no_job_lost: {}
  legal_transitions: {}
  outcomes: {job: {exactly: 5, state: succeeded}}
  effects: {delivery: exactly_once}
  result_intact: {}
  recovery_within: {budget_s: 8}

guards:
  lease_recovery: {by: every_job_terminal}
"""
