"""docs/findings.md and the tables are made from docs/findings; what an entry names is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import seen
from bench.explanations import Explanation, explanations
from bench.findings import pages
from bench.seen import DEFAULTS
from unstuck.checks import PROPERTIES
from unstuck.checks.classes import Kind
from unstuck.errors import ScenarioError
from unstuck.scenario_file import load
from unstuck.targets.declared.names import catalogue_of
from unstuck.targets.declared.reading import load_target
from unstuck.targets.ready import ready_targets, scenario_files

ENTRIES = explanations()
MADE = pages(seen.read())


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_the_pages_are_made_by_the_command(path: Path) -> None:
    """What stands between the marks, and the whole of findings.md: edit docs/findings, or run it again."""
    assert path.read_text(encoding="utf-8") == MADE[path], "python -m bench findings --explore --write"


def test_every_target_was_seen_with_its_configurations() -> None:
    """A target that comes new has to be run."""
    known = seen.read()
    assert set(known) == set(ready_targets())
    for name, one in known.items():
        wanted = {DEFAULTS, *load_target(ready_targets()[name]).configurations}
        assert {case.configuration for case in one.cases} == wanted
        assert one.versions


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.target}: {entry.title}")
def test_an_entry_names_what_there_is(entry: Explanation) -> None:
    """A target, its configurations, a class or a property, cases of scenarios, and addresses."""
    file = load_target(ready_targets()[entry.target])
    assert set(entry.configurations) <= {DEFAULTS, *file.configurations}
    assert entry.kind in {*map(str, Kind), *(each.NAME for each in PROPERTIES)}
    known = set(titles(entry.target))
    assert all(place in known for place in entry.shown_by if " at " not in place), entry.shown_by
    assert all(url.startswith("https://") for url in (entry.page, *entry.upstream))


def titles(target: str) -> Iterator[str]:
    """Of all cases that a target can be run under."""
    catalogue = catalogue_of(load_target(ready_targets()[target]))
    for path in scenario_files():
        try:
            yield from (one.title for one in load(path, catalogue).scenarios)
        except ScenarioError:  # it has no lease
            continue


def test_no_two_findings_have_one_title() -> None:
    """The table leads to each by its heading."""
    assert len({entry.title for entry in ENTRIES}) == len(ENTRIES)
