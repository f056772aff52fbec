"""The same scenario with more jobs, or fewer: an incident at the size that it had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from unstuck.errors import UsageError
from unstuck.scenario import TERMINAL_STATES, Fault, OnOp, OnPoint, OnState, Scenario

JOBS_MAX: Final = 2_000
A_JOB_S: Final = 0.5
"""What each added job adds to every budget, as much of a processor as a job of `tiny.mp4` takes: 191 that a
deploy had met ended 66 s after it on two processors that had other work."""

_BUDGETS: Final = ("within_s", "budget_s", "claim_s")


def scaled(scenario: Scenario, jobs: int) -> Scenario:
    """With `jobs` jobs in all: the largest group of clients grows or shrinks, and what follows from it.

    That is: in `outcomes`, in the `nth` of triggers and in `while`, each number that was the size of that
    group (if it was more than one) or of all jobs becomes the new one. Budgets grow by `A_JOB_S` for each
    added job. The result has no file and one case, so that its run's folder holds it whole. Raises
    `UsageError` for a number of jobs that leaves the largest group empty, or is above `JOBS_MAX`.
    """
    largest = max(scenario.workload, key=lambda upload: upload.count)
    whole = sum(upload.count for upload in scenario.workload)
    count = largest.count + jobs - whole
    if count < 1 or jobs > JOBS_MAX:
        raise UsageError(
            f"--jobs {jobs}: {scenario.name} has {whole} jobs, {largest.count} of which are of the group "
            f"that grows. Take a number from {whole - largest.count + 1} to {JOBS_MAX}."
        )
    numbers = {whole: jobs, largest.count: count} if largest.count > 1 else {}
    added_s = max(0, jobs - whole) * A_JOB_S
    return replace(
        scenario,
        workload=tuple(replace(one, count=count) if one is largest else one for one in scenario.workload),
        faults=tuple(_fault(fault, numbers) for fault in scenario.faults),
        expect={
            name: _expected(name, parameters, numbers, largest.tag, added_s)
            for name, parameters in scenario.expect.items()
        },
        budget_s=scenario.budget_s + added_s,
        case={},
        source=None,
        text="",
    )


def _fault(fault: Fault, numbers: Mapping[int, int]) -> Fault:
    when, condition = fault.when, fault.condition
    if isinstance(when, OnState | OnPoint | OnOp) and when.nth in numbers:  # messages are counted otherwise
        when = replace(when, nth=numbers[when.nth])
    if condition is not None and condition.number in numbers:
        condition = replace(condition, number=numbers[condition.number])
    return replace(fault, when=when, condition=condition)


def _expected(
    name: str, parameters: Mapping[str, Any], numbers: Mapping[int, int], tag: str, added_s: float
) -> Mapping[str, Any]:
    if name != "outcomes":
        return {
            key: value + added_s if key in _BUDGETS and isinstance(value, int | float) else value
            for key, value in parameters.items()
        }
    return {
        key: {one: numbers.get(value, value) if _counts(one) else value for one, value in demand.items()}
        if key == tag or key in TERMINAL_STATES
        else demand
        for key, demand in parameters.items()
    }


def _counts(demand: str) -> bool:
    return demand in ("exactly", "at_least", "at_most")
