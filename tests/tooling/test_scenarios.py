"""What is shipped as a scenario is one, and each defence of the reference service has a guard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from reference_service.domain import Defence
from tests.tooling.repository import PROVED_ELSEWHERE, ROOT
from unstuck.checks import property_names
from unstuck.cli.inputs import incident_of
from unstuck.describe import describe
from unstuck.plan import make_plan
from unstuck.scenario_file import ScenarioFile, load
from unstuck.targets.reference.names import catalogue

PATHS = sorted((ROOT / "scenarios").rglob("*.yaml"))

COVERS: Mapping[str, tuple[str, str]] = {
    # scenario -> the defence that it exercises, and the scenario that guards it
    "sigterm-api": ("drain_on_sigterm", "sigterm-mid-job"),
    "clock-ahead": ("lease_recovery", "sigterm-mid-job"),
    "database-cut": ("lease_recovery", "sigterm-mid-job"),
    "old-and-new": ("drain_on_sigterm", "sigterm-mid-job"),
}
"""Scenarios with faults that guard nothing themselves. A new one belongs here only with a reason."""


@cache
def files() -> Mapping[str, ScenarioFile]:
    """Every shipped file, by its name; read once for all tests here, and never changed."""
    names = catalogue()
    return {path.stem: load(path, names) for path in PATHS}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_bundled_scenario_loads(path: Path) -> None:
    """It is valid for the reference target, is named as its file, and each case can be planned and told."""
    file = load(path, catalogue())
    assert file.name == path.stem
    for scenario in file.all_cases():
        assert make_plan(scenario, 1).clients
        assert describe(scenario)


def test_every_scenario_with_faults_guards_a_defence_or_says_who_does() -> None:
    """A scenario that no lost defence can fail would say nothing."""
    loaded = files()
    guards = {name: {guard.defence for guard in file.base_case().guards} for name, file in loaded.items()}
    idle = {
        name
        for name, file in loaded.items()
        if any(case.faults for case in file.all_cases()) and not guards[name]
    }
    assert idle == set(COVERS) & set(loaded), "guard a defence, or say in COVERS who guards it"
    for name in idle:
        defence, guarded_by = COVERS[name]
        assert defence in guards[guarded_by], f"{guarded_by} does not guard {defence}"


def test_every_defence_has_a_guard() -> None:
    """Each defence of the reference service is claimed by one scenario of every day, or by an incident's."""
    loaded = files().values()
    claimed = Counter(
        guard.defence
        for file in loaded
        if incident_of(file.path) is None
        for guard in file.base_case().guards
    )
    assert max(claimed.values()) == 1, (
        "the gate's scenarios guard each defence once, so that tests stay quick"
    )
    in_incidents = {guard.defence for file in loaded for guard in file.base_case().guards}
    assert {*claimed, *in_incidents, *PROVED_ELSEWHERE} == {str(defence) for defence in Defence}
    assert in_incidents.isdisjoint(PROVED_ELSEWHERE)


@pytest.mark.parametrize("defence", PROVED_ELSEWHERE)
def test_what_no_scenario_can_guard_a_test_switches_off(defence: str) -> None:
    """It names the defence, and has the same checks with it and without."""
    source = (ROOT / PROVED_ELSEWHERE[defence]).read_text(encoding="utf-8")
    assert f'"{defence}"' in source
    assert '@pytest.mark.parametrize("defended", [True, False]' in source


def test_every_incident_has_one_scenario_that_reproduces_it() -> None:
    """It has the incident's own name; each other file in its folder is about the same incident."""
    for folder in sorted((ROOT / "scenarios" / "incidents").iterdir()):
        loaded = {path.stem: files()[path.stem].base_case() for path in folder.glob("*.yaml")}
        assert folder.name in loaded, f"{folder.name} lacks the scenario that reproduces it"
        assert loaded[folder.name].before is not None
        assert {scenario.incident for scenario in loaded.values()} == {folder.name}


def test_every_guard_names_a_property_and_a_case() -> None:
    """The property is one of ours, and the case exists."""
    for file in files().values():
        for guard in file.base_case().guards:
            assert guard.by in property_names()
            assert file.case(guard.case) in file.all_cases()
