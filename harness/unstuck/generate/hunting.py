"""From a run that failed to the smallest scenario that fails by the same promise, saved as a file."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from unstuck.catalogue import Catalogue
from unstuck.checks.port import Verdict
from unstuck.checks.verdict import RunVerdict
from unstuck.generate.saving import Origin, Saved, save
from unstuck.generate.shrinking import shrink
from unstuck.scenario import Scenario

EXPECTED_ENDS = "outcomes"  # says less than the others: it fails as well whenever anything goes wrong

Broken = Callable[[Scenario], Collection[str]]
"""Runs a scenario and returns the properties that failed; none for a run that proved nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found: the file, the smaller scenario in it, and the promise that it breaks."""

    saved: Saved
    scenario: Scenario
    by: str
    runs: int


def broken_by(verdict: RunVerdict | None) -> frozenset[str]:
    """The properties that failed in a run."""
    if verdict is None:
        return frozenset()
    return frozenset(result.name for result in verdict.properties if result.verdict is Verdict.FAIL)


def main_promise(broken: Collection[str]) -> str:
    """The failed property that says most; alphabetical among equals. There has to be one."""
    return min(broken, key=lambda name: (name == EXPECTED_ENDS, name))


def track_down(
    scenario: Scenario,
    broken: Broken,
    catalogue: Catalogue,
    reports: Path,
    origin: Origin,
    *,
    runs_max: int = 200,
) -> Found:
    """Makes `scenario` smaller while the main one of `origin.broken` still fails, and saves what is left.

    `broken` runs it in the world where it failed, or in a faster one where it fails as well. Raises
    `UsageError` when the file cannot be written.
    """
    by = main_promise(origin.broken)
    shrunk = shrink(scenario, lambda smaller: by in broken(smaller), catalogue, runs_max=runs_max)
    smaller_origin = replace(origin, broken=[by], drawn_as=scenario.name)
    return Found(
        saved=save(shrunk.scenario, reports, smaller_origin),
        scenario=shrunk.scenario,
        by=by,
        runs=shrunk.runs,
    )
