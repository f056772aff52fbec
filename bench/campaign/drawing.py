"""The scenarios of a campaign, each of them unsparing; on real processes, or in the sim as in production."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from reference_service.settings import Settings
from unstuck.generate.strategies import PROCESS, SIM, drawn, scenarios
from unstuck.generate.whole import loaded, named
from unstuck.scenario import Fault, Scenario
from unstuck.targets.reference import catalogue
from unstuck.targets.reference.roles import SETTINGS

JOBS_MAX: Final = 4  # in one scenario
DEEDS_MAX: Final = 6
BATCH: Final = 20  # drawn at a time

AWAITED: Final = ("vanished", "half", "hasty", "late", "tardy")
"""Clients whose upload has to run out: an hour in production, and nobody recovers from anything in it."""

PERIODS: Final = ("lease_s", "sweep_every_s", "heartbeat_s")
"""What a recovery waits for first of all. All three are shortened by the same factor in a run."""


def production(name: str) -> Any:
    """What the service does when nobody sets this."""
    return Settings.model_fields[name].default


def factor() -> float:
    """How much longer a recovery's periods are in production than in a run on real processes.

    Raises `ValueError` when they are not shortened alike: then no one factor tells.
    """
    found = {name: float(production(name)) / float(SETTINGS[name]) for name in PERIODS}
    if len(set(found.values())) != 1:
        raise ValueError(f"the periods are shortened by different factors: {found}.")
    return found[PERIODS[0]]


def cases(seed: int, *, simulated: bool) -> Iterator[Scenario]:
    """Without end, the same ones for the same seed. In the sim, without those that wait for an upload."""
    known = catalogue()
    strategy = scenarios(
        known, SIM if simulated else PROCESS, jobs_max=JOBS_MAX, deeds_max=DEEDS_MAX, unsparing=True
    )
    batch = 0
    while True:
        for case in drawn(strategy, BATCH, seed=seed * 10_000 + batch):
            if not simulated:
                yield case
            elif not any(upload.tag.startswith(AWAITED) for upload in case.workload):
                yield loaded(named(at_production(case)), known)
        batch += 1


def at_production(scenario: Scenario) -> Scenario:
    """The same with every period of the service as in production, and what lasts lasting as much longer.

    Whoever is away for 40 s on real processes is away for 20 minutes here. Budgets grow with the longest of
    the periods, so that only what never ends is stuck. What a scenario changed of a period is dropped.
    """
    times = factor()
    grown = max(times, *(float(production(name)) / float(SETTINGS[name]) for name in _durations()))
    settings = {name: production(name) for name in SETTINGS}
    own = {name: value for name, value in scenario.settings.items() if name not in SETTINGS}
    budget_s = scenario.budget_s * grown + float(settings["upload_deadline_s"])
    expect: dict[str, Mapping[str, Any]] = dict(scenario.expect)
    if "every_job_terminal" in expect:
        expect["every_job_terminal"] = {"within_s": budget_s}
    return replace(
        scenario,
        settings={**settings, **own},
        faults=tuple(_longer(fault, times) for fault in scenario.faults),
        expect=expect,
        budget_s=budget_s,
    )


def _durations() -> Iterator[str]:
    return (name for name in SETTINGS if name.endswith("_s") and not name.startswith(("upload", "recovery")))


def _longer(fault: Fault, times: float) -> Fault:
    changed = {
        one.name: getattr(fault.parameters, one.name) * times
        for one in fields(fault.parameters)
        if one.name in ("for_s", "grace_s") and isinstance(getattr(fault.parameters, one.name), int | float)
    }
    return replace(fault, parameters=replace(fault.parameters, **changed))
