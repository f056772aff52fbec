"""The properties that runs are judged by: pure functions from a history to a verdict with evidence."""

from __future__ import annotations

from collections.abc import Mapping

from unstuck.checks import (
    alerts,
    attempts_bounded,
    backlog_within,
    calls_in_vain,
    cleaned_up,
    completion_idempotent,
    drains_cleanly,
    effects,
    every_job_terminal,
    failure_explained,
    latency_within,
    legal_transitions,
    memory_within,
    no_job_lost,
    no_live_job_rescued,
    no_premature_claim,
    outcomes,
    recovery_runs,
    recovery_within,
    result_intact,
    rework_within,
    roles_recover,
    status_truthful,
    terminal_is_final,
)
from unstuck.checks.port import Evidence, Property, PropertyResult, Verdict

__all__ = [
    "PROPERTIES",
    "Evidence",
    "Property",
    "PropertyResult",
    "Verdict",
    "property_names",
    "property_parameters",
]

PROPERTIES: tuple[Property, ...] = (
    every_job_terminal,
    no_job_lost,
    terminal_is_final,
    legal_transitions,
    effects,
    result_intact,
    cleaned_up,
    no_premature_claim,
    completion_idempotent,
    drains_cleanly,
    recovery_within,
    rework_within,
    latency_within,
    backlog_within,
    attempts_bounded,
    calls_in_vain,
    memory_within,
    status_truthful,
    no_live_job_rescued,
    outcomes,
    failure_explained,
    roles_recover,
    recovery_runs,
    alerts,
)


def property_names() -> tuple[str, ...]:
    """Every property that a scenario may expect, in the order in which they are reported."""
    return tuple(each.NAME for each in PROPERTIES)


def property_parameters() -> Mapping[str, Mapping[str, tuple[type, ...]]]:
    """For each property, its parameters and the types that a value may have; `*` allows any name."""
    return {each.NAME: each.PARAMETERS for each in PROPERTIES}
