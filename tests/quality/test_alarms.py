"""Asks of the alarms themselves: silent on healthy histories, loud on each kind of broken promise."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.quality.lives import RICH, healthy, history_of
from unstuck.checks import property_names
from unstuck.checks.port import Verdict
from unstuck.checks.verdict import RunVerdict, judge
from unstuck.history import History
from unstuck.prove.mutators import MUTATORS, Mutator

steady = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def alarms(verdict: RunVerdict) -> list[str]:
    """What was raised on a history: promises said to be broken, or found unclear."""
    return [
        f"{result.name}: {result.summary}"
        for result in verdict.properties
        if result.verdict is Verdict.FAIL or (result.verdict is Verdict.INCONCLUSIVE and result.judged)
    ]


def no_false_alarm(history: History) -> None:
    verdict = judge(history)
    assert alarms(verdict) == []
    assert (verdict.verdict, verdict.reasons) == (Verdict.PASS, ())
    assert {row.kind for row in verdict.jobs} <= {"ok", "restarted"}


@settings(steady, max_examples=200)
@given(healthy)
def test_no_false_alarm(history: History) -> None:
    """Whatever legal lives jobs have under whatever faults, a sound run passes."""
    no_false_alarm(history)


@pytest.mark.soak
@settings(steady, max_examples=1000, derandomize=False)
@given(healthy)
def test_no_false_alarm_in_many(history: History) -> None:
    """The same, on a thousand histories that are new each time."""
    no_false_alarm(history)


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.name)
def test_each_mutator_is_caught_in_a_rich_history(mutator: Mutator) -> None:
    """Every mutator finds its place in it, and the intended property fails."""
    for seed in range(20):
        mutated = mutator.apply(history_of(RICH), Random(seed))
        assert mutated is not None
        assert caught(mutated, mutator)


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.name)
@settings(steady, max_examples=15)
@given(history=healthy, seed=st.integers(0, 2**16))
def test_each_mutator_is_caught_wherever_it_applies(mutator: Mutator, history: History, seed: int) -> None:
    """In any healthy history that has the place for it, the intended property fails."""
    mutated = mutator.apply(history, Random(seed))
    assume(mutated is not None)
    assert mutated is not None
    assert mutated != history
    assert [event.number for event in mutated.events] == list(range(len(mutated.events)))
    assert caught(mutated, mutator)


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.name)
def test_an_empty_history_has_no_place_for_a_mutator(mutator: Mutator) -> None:
    """Nothing recorded, nothing to falsify."""
    assert mutator.apply(History(()), Random(0)) is None


def test_every_property_has_a_mutator() -> None:
    """No alarm stays unheard."""
    assert {mutator.by for mutator in MUTATORS} == set(property_names())
    assert len({mutator.name for mutator in MUTATORS}) == len(MUTATORS)


def caught(mutated: History, mutator: Mutator) -> bool:
    verdict = judge(mutated)
    result = next(result for result in verdict.properties if result.name == mutator.by)
    return result.verdict is Verdict.FAIL and verdict.verdict is Verdict.FAIL and bool(result.evidence)
