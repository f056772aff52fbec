"""How to explore a target, from what it says of itself: its job, its lease, its processes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from unstuck.explorer.trials import LEASE_S_MAX, Approach, budget_s_of, pause_s_of
from unstuck.scenario import Submit, Upload
from unstuck.targets.declared.file import TargetFile
from unstuck.targets.declared.roles import timings_of, variants_of

LEASE = "lease_s"  # the setting of that name, where a target has one
REFERENCE_BUDGET_S = 15.0
"""An announcement of which nobody heard expires after 8 s; a job without its event is found after 3 s."""


def of_declared(
    file: TargetFile,
    configuration: str | None,
    defences_off: tuple[str, ...],
    settings: Mapping[str, Any],
    budget_s: float | None,
    pause_s: float | None,
) -> tuple[Approach, float | None]:
    """The approach, and the lease that is in force: a setting `lease_s` says more than the target's timings.

    Raises `TargetError` for a configuration that the file lacks.
    """
    lease_s = timings_of(file, variants_of(file, configuration, defences_off)).lease_s
    lease_s = float(settings[LEASE]) if LEASE in settings else lease_s
    only = list(file.roles) if len(file.roles) == 1 else None
    name = re.sub(r"[^a-z0-9]+", "-", f"{file.name}-{configuration or ''}".lower()).strip("-")
    approach = Approach(
        name=name[:30].strip("-"),
        workload=(Upload(video="", steps=(Submit(),)),),
        promise=file.promise,
        budget_s=budget_s or budget_s_of(lease_s),
        pause_s=pause_s or pause_s_of(lease_s),
        replicas={role.name: role.replicas for role in file.roles.values()},
        workers=None if only is None else frozenset(only),
        settings=settings,
    )
    return approach, lease_s


def of_reference(
    settings: Mapping[str, Any], budget_s: float | None, pause_s: float | None
) -> tuple[Approach, float | None]:
    """The same of the bundled service."""
    from unstuck.targets.reference import roles  # noqa: PLC0415  an extra, which other targets do without

    lease_s = float(settings.get(LEASE, roles.SETTINGS[LEASE]))
    approach = Approach(
        name="reference",
        workload=(Upload(),),
        promise="effectively_once",
        budget_s=budget_s or REFERENCE_BUDGET_S,
        pause_s=pause_s or pause_s_of(lease_s),
        replicas=dict(roles.REPLICAS),
        workers=frozenset({"worker"}),
        settings=settings,
    )
    return approach, lease_s


def told(approach: Approach, lease_s: float | None) -> tuple[str, ...]:
    """What a reader of pauses has to know: whether they outlast the lease."""
    pause = f"pauses last {approach.pause_s:g} s"
    if lease_s is None:
        why = "the target declares no lease (`timings.lease_s`)"
        return (f"{pause}, and {why}: the late writes of who wakes past its lease may not be tried.",)
    if approach.pause_s <= lease_s:
        longest = f" (at most {LEASE_S_MAX:g} s are waited for by default)" if lease_s > LEASE_S_MAX else ""
        rest = "what happens past it is not tried. Shorten the lease, or give --pause-s."
        return (f"{pause}, and the lease {lease_s:g} s{longest}: {rest}",)
    return ()
