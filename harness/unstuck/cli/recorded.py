"""A recorded run, read back as the scenario that it was."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from unstuck.cli.choosing import choose_target
from unstuck.errors import UsageError
from unstuck.rundir import RecordedPlan, RunFolder, disk, read_plan
from unstuck.scenario import Scenario
from unstuck.scenario_file import loads


def recorded_case(
    folder: RunFolder, *, allowed_hosts: Collection[str] | None = None
) -> tuple[Scenario, RecordedPlan]:
    """The case that was run and what it was run with. Raises `UsageError` when the folder lacks a part, and
    for hosts of the target that are not allowed (None: it is only looked at)."""
    plan = read_plan(folder)
    with disk(folder.scenario, doing="read", advice="Give the folder of a run."):
        text = folder.scenario.read_text(encoding="utf-8", errors="replace")
    target = choose_target(plan.target, plan.configuration, allowed_hosts=allowed_hosts)
    case = loads(text, folder.scenario, target.catalogue()).case(plan.case)
    if dict(case.case) != dict(plan.case):
        raise UsageError(
            f"{folder.plan}: case={dict(plan.case)!r} is not a case of the scenario beside it, "
            f"whose nearest is {dict(case.case)!r}. The folder was edited; run the scenario itself."
        )
    return case, plan


def recorded_or_bare(folder: RunFolder, start: dict[str, object]) -> tuple[Scenario, str | None]:
    """As far as the folder tells; from a bare history, what its first event says, and why it is bare."""
    try:
        return recorded_case(folder)[0], None
    except UsageError as error:
        name = str(start.get("scenario", folder.path.name))
        case = start.get("case")
        bare = Scenario(
            name=name,
            summary="",
            workload=(),
            faults=(),
            expect={},
            case=case if isinstance(case, dict) else {},
            source=Path(folder.history),
        )
        return bare, f"What the scenario says is not known: {error}"
