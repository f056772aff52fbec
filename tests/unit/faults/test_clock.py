"""The fault `clock`: what counts as landed, what healing undoes, and what no scenario may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.faults.blows import ACTIVE, PLACE, landed, struck, why_missed, written
from tests.unit.runner.stage import Stage, fault, stage
from unstuck.describe import describe
from unstuck.errors import ScenarioError
from unstuck.faults import FAULTS
from unstuck.faults.clock import READ_WITHIN_S
from unstuck.plan import make_plan
from unstuck.report import words
from unstuck.scenario import Fault, Trigger
from unstuck.scenario_file import loads
from unstuck.scenario_writer import dump
from unstuck.targets.reference import catalogue


def ahead(when: Trigger = ACTIVE, **parameters: Any) -> Fault:
    return fault("clock", when, {"role": "worker", "offset_s": 3600.0, "for_s": 5.0, **parameters})


def settings(made: Stage) -> list[tuple[str, ...]]:
    return [deed[1:] for deed in made.world.done if deed[0] == "clock"]


def test_a_clock_has_landed_when_somebody_read_it() -> None:
    """That it was set is not enough: a program that never looks is not harmed."""
    with stage(ahead()) as made:
        made.world.unread.add("worker-1")
        struck(made, ACTIVE)
        assert made.history.faults(0) == ["armed", "fired"]
        assert settings(made) == [("worker-1", "3600", "0")]
        made.world.unread.clear()
        made.after(0.1)
        assert landed(made)["how"] == "wall clock of worker-1 3600 s ahead, and read"
        assert landed(made)["processes"] == ["worker-1"]


def test_a_clock_is_right_again_when_it_is_healed() -> None:
    """After its time, from its landing on; every clock that was set."""
    with stage(ahead(which="all", offset_s=0.0, drift_ppm=-200_000.0)) as made:
        struck(made, ACTIVE)
        assert settings(made) == [("worker-1", "0", "-200000"), ("worker-2", "0", "-200000")]
        made.after(5)
        assert made.history.faults(0) == ["armed", "fired", "landed", "healed"]
        assert settings(made)[2:] == [("worker-1", "0", "0"), ("worker-2", "0", "0")]


def test_whoever_stands_at_the_place_goes_on_with_a_wrong_clock() -> None:
    """It is set first; then the process goes on, and can read it."""
    with stage(ahead(PLACE, which="here")) as made:
        made.world.unread.add("worker-1")
        stand = struck(made, PLACE)
        assert stand.told == ["go"]
        assert settings(made) == [("worker-1", "3600", "0")]
        made.world.unread.clear()
        made.after(0.1)
        assert landed(made)["processes"] == ["worker-1"]


def test_a_clock_that_nobody_reads_has_missed() -> None:
    """It is set right all the same."""
    with stage(ahead(which="all")) as made:
        made.world.unread.add("worker-2")
        struck(made, ACTIVE)
        made.after(READ_WITHIN_S + 1)
        assert why_missed(made).startswith(
            "nobody in worker-2 read the wall clock within 10 s, or its program"
        )
        assert settings(made)[-2:] == [("worker-1", "0", "0"), ("worker-2", "0", "0")]


def test_a_process_without_a_clock_of_its_own_is_missed() -> None:
    """As a dependency that runs in a container."""
    with stage(ahead()) as made:
        made.world.clockless.add("worker-1")
        struck(made, ACTIVE)
        assert why_missed(made) == "worker-1 was started without a wall clock of its own"


def test_nobody_there_is_missed() -> None:
    """Nobody's clock was set."""
    with stage(ahead(role="api")) as made:
        struck(made, ACTIVE)
        assert why_missed(made) == "no process of role api was there (any)"
        assert settings(made) == []


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("offset_s: 60", "faults[0] lacks 'for_s'. Add it."),
        ("for_s: 1", "faults[0] sets no clock wrong. Add offset_s or drift_ppm, other than 0."),
        (
            "for_s: 1, offset_s: 1e9",
            "faults[0].offset_s=1000000000.0 is out of range. Take a number from -315360000",
        ),
        ("for_s: 1, drift_ppm: -2000000", "faults[0].drift_ppm=-2000000 is out of range."),
        ("for_s: 1, offset: 60", "faults[0]: 'offset' is not a key here. Did you mean 'offset_s'?"),
    ],
)
def test_a_bad_clock_is_refused_where_it_stands(rest: str, told: str) -> None:
    """In one line, with the next step."""
    with pytest.raises(ScenarioError) as caught:
        written(f"clock: {{role: worker, {rest}}}")
    assert told in str(caught.value), str(caught.value)


def test_a_clock_is_written_as_it_was_read() -> None:
    """Behind as well as ahead."""
    scenario = written("clock: {role: worker, offset_s: -3600, drift_ppm: 200000, which: all, for_s: 5}")
    [again] = loads(dump(scenario), Path("again.yaml"), catalogue()).scenarios
    assert again.faults[0].parameters == scenario.faults[0].parameters


def test_a_clock_is_told_in_words() -> None:
    """In the explanation of a scenario, and in reports."""
    scenario = written("clock: {role: worker, offset_s: -3600, drift_ppm: 200000, for_s: 5}")
    told = "set the wall clock of any worker 3600 s behind and 20 % fast for 5 s."
    assert any(told in line for line in describe(scenario))
    assert words.what(scenario.faults[0]) == (
        "set the wall clock of one worker 3600 s behind and 20 % fast for 5 s"
    )


def test_a_plan_names_the_roles_that_need_clocks() -> None:
    """So that they are started with one; a run without such a fault starts nobody so."""
    needs = {name: module.NEEDS for name, module in FAULTS.items()}
    plan = make_plan(written("clock: {role: worker, offset_s: 60, for_s: 5}"), 1, needs)
    assert plan.clocks == ("worker",)
    assert "clocks" in plan.needs
