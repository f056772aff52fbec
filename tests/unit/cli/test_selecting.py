"""In which order a gate runs its cases."""

from __future__ import annotations

from pathlib import Path

from unstuck.cli.gate import select
from unstuck.cli.inputs import Named, bundled, incident_of, load_all, target_catalogue
from unstuck.cli.policy import Policy
from unstuck.scenario import Scenario


def everyday() -> dict[str, Path]:
    """What a gate takes when nobody chooses: the bundled scenarios, without those of incidents."""
    return {name: path for name, path in bundled().items() if incident_of(path) is None}


def gate_of(cases_max: int) -> list[Scenario]:
    named = [Named(path=path, selection={}) for path in everyday().values()]
    chosen, _, _ = select(named, load_all(named, target_catalogue()), Policy(cases_max=cases_max))
    return chosen


def paused_s(case: Scenario) -> float:
    return sum(getattr(fault.parameters, "for_s", 0.0) for fault in case.faults)


def test_every_scenario_comes_before_any_comes_twice() -> None:
    """A time budget that cuts a gate short has something of each."""
    names = [case.name for case in gate_of(40)]
    assert len(names) == 40
    scenarios = len(everyday())
    assert sorted(names[:scenarios]) == sorted(everyday())


def test_the_longest_of_a_turn_is_first() -> None:
    """What waits longest must not begin last, when nothing is left to run beside it."""
    first_turn = gate_of(40)[: len(everyday())]
    lengths = [paused_s(case) for case in first_turn]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 0


def test_a_smaller_gate_is_the_beginning_of_a_larger() -> None:
    """As long as it ends with a whole turn: within one, the longest are taken."""
    whole = len(everyday())
    assert gate_of(whole) == gate_of(40)[:whole]
