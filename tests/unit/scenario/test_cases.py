"""Cases: the product, the pairwise set, and how one is chosen."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unstuck.cases import Case, Grid, matches, parse_selection, spell
from unstuck.errors import UsageError

SIGTERM = Grid(
    alternatives=(),
    matrix={"stage": list("abcdefg"), "grace_s": [5, 0.5, 0], "overlap": [False, True]},
    used={None: frozenset({"stage", "grace_s", "overlap"})},
)
MIXED = Grid(
    alternatives=("plain", "slow", "never"),
    matrix={"wait_s": [1, 2, 3], "stage": ["x", "y"]},
    used={
        "plain": frozenset({"wait_s", "stage"}),
        "slow": frozenset({"wait_s"}),
        "never": frozenset(),
        None: frozenset(),
    },
)


def pairs(cases: list[Case]) -> set[tuple[object, ...]]:
    return {
        combination
        for case in cases
        for size in (1, 2)
        for combination in itertools.combinations([(k, spell(v)) for k, v in case.items()], size)
    }


def test_all_cases_are_the_product_with_the_base_first() -> None:
    """Every combination is there once, and the first is made of first values."""
    cases = SIGTERM.all()
    assert len(cases) == SIGTERM.size == 42
    assert cases[0] == {"stage": "a", "grace_s": 5, "overlap": False}
    assert len({tuple(case.items()) for case in cases}) == 42


def test_a_parameter_multiplies_only_the_alternatives_that_mention_it() -> None:
    """An alternative without `$stage` has no cases that differ in nothing but stage."""
    assert MIXED.all() == [
        *({"alternative": "plain", "wait_s": w, "stage": s} for w in (1, 2, 3) for s in ("x", "y")),
        *({"alternative": "slow", "wait_s": w} for w in (1, 2, 3)),
        {"alternative": "never"},
    ]
    assert MIXED.size == 10


def test_a_file_without_parameters_has_one_case() -> None:
    """No alternatives and no matrix make one case, which has no name of its own."""
    grid = Grid(alternatives=(), matrix={}, used={None: frozenset()})
    assert grid.all() == grid.pairwise() == [{}]
    assert grid.size == 1


def test_the_pairwise_set_of_the_deploy_scenario_is_half_of_the_product() -> None:
    """21 cases (7 x 3 is the least possible) cover every pair of 7 x 3 x 2 values, the base first."""
    cases = SIGTERM.pairwise()
    assert len(cases) == 21
    assert cases[0] == SIGTERM.all()[0]
    assert pairs(cases) == pairs(SIGTERM.all())


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, max_size=4))
    matrix = {name: list(range(draw(st.integers(1, 4)))) for name in names}
    alternatives = tuple(f"alt-{i}" for i in range(draw(st.integers(0, 4))))
    some = st.frozensets(st.sampled_from(names)) if names else st.just(frozenset[str]())
    return Grid(
        alternatives=alternatives,
        matrix=matrix,
        used={choice: draw(some) for choice in (*alternatives, None)},
    )


@given(grids())
def test_every_two_values_that_can_meet_do_meet(grid: Grid) -> None:
    """The pairwise set is a part of the product, base first, without doubles, and covers all its pairs."""
    everything, chosen = grid.all(), grid.pairwise()
    assert len(everything) == grid.size
    assert chosen[0] == everything[0]
    assert all(case in everything for case in chosen)
    assert len({tuple(case.items()) for case in chosen}) == len(chosen)
    assert pairs(chosen) == pairs(everything)


def test_the_pairwise_set_is_the_same_in_every_process() -> None:
    """The order of a set or dict, which PYTHONHASHSEED moves, has no say in it."""
    program = (
        "from tests.unit.scenario.test_cases import MIXED, SIGTERM\n"
        "print(MIXED.pairwise(), SIGTERM.pairwise())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert outputs == {f"{MIXED.pairwise()} {SIGTERM.pairwise()}\n"}


@pytest.mark.parametrize(
    ("selection", "matching"),
    [
        ({}, True),
        ({"a": 5}, True),
        ({"a": 5.0}, True),
        ({"a": "5"}, True),
        ({"b": True}, True),
        ({"b": 1}, False),
        ({"a": 5, "b": False}, False),
        ({"c": 1}, False),
    ],
)
def test_a_selection_matches_by_value_and_kind(selection: Case, matching: bool) -> None:
    """5 selects 5.0 and '5', but 1 does not select true, and what is not there is not matched."""
    assert matches({"a": 5, "b": True}, selection) is matching


def test_a_selection_is_read_from_text() -> None:
    """What a title prints between its brackets selects that case, whatever the words for true are."""
    assert parse_selection("stage=frames, grace_s=0.5,overlap=False,") == {
        "stage": "frames",
        "grace_s": 0.5,
        "overlap": False,
    }
    assert parse_selection("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage", "case 'stage' is not a choice. Write it once, as name=value."),
        ("stage=", "case 'stage=' is not a choice. Write it once, as name=value."),
        ("a=1,a=2", "case 'a=2' is not a choice. Write it once, as name=value."),
        ("a=.inf", "case 'a=.inf' is not a finite number. Take one that is."),
    ],
)
def test_a_selection_that_is_none_is_refused(text: str, message: str) -> None:
    """A part without a value, or twice the same name, is refused in one line."""
    with pytest.raises(UsageError) as caught:
        parse_selection(text)
    assert str(caught.value) == message


def test_a_selection_without_a_case_is_explained() -> None:
    """The reason names what is unknown, or says that it cannot come together; a good one has none."""
    assert MIXED.why_none({"wait_s": 2}) is None
    assert MIXED.why_none({"wait": 2}) == (
        "'wait' is not a parameter of this scenario. Did you mean 'wait_s'?"
    )
    assert MIXED.why_none({"alternative": "plan"}) == (
        "alternative='plan' is not one of its values. Did you mean 'plain'?"
    )
    assert MIXED.why_none({"alternative": "slow", "stage": "x"}) == (
        "no case has alternative=slow, stage=x together."
    )
    assert SIGTERM.why_none({"alternative": "slow"}) == (
        "'alternative' is not a parameter of this scenario. Known: grace_s, overlap, stage."
    )
