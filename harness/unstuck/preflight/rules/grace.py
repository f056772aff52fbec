"""What several rules need to know of a grace: what is left of it, and how it is made longer."""

from __future__ import annotations

import math
from typing import Final

from unstuck.preflight.model import Kind, Platform, Workload
from unstuck.preflight.units import show_s

_FIELDS: Final = {
    Platform.COMPOSE: "stop_grace_period: {}s",
    Platform.KUBERNETES: "terminationGracePeriodSeconds: {}",
    Platform.SYSTEMD: "TimeoutStopSec={}",
    Platform.FLY: "kill_timeout = {}",
}
MARGIN_S: Final = 5


def usable_s(workload: Workload) -> float | None:
    """From the stop signal to SIGKILL: what a preStop hook sleeps is gone before; None: not known."""
    if workload.grace_s is None or workload.grace_s.value is None:
        return None
    if math.isinf(workload.pre_stop_s):
        return 0.0
    return workload.grace_s.value - workload.pre_stop_s


def cut_by_deploys(workload: Workload) -> bool:
    """False for a job of Cloud Run: an execution goes on when another version is deployed."""
    return not (workload.platform is Platform.CLOUD_RUN and workload.kind is Kind.JOB)


def shown_grace(workload: Workload) -> str:
    """The grace, and what a preStop hook takes from it."""
    less = f" less {show_s(workload.pre_stop_s)} of preStop" if workload.pre_stop_s else ""
    return ("the grace" if workload.grace_s is None else workload.grace_s.text) + less


def raise_grace(workload: Workload, least_s: float) -> str:
    """The next step for a grace that must hold `least_s`."""
    field = _FIELDS.get(workload.platform)
    if workload.grace_fixed or field is None:
        return "This grace cannot be changed: hand the job back, or checkpoint it, within it."
    if math.isinf(least_s + workload.pre_stop_s):
        return "Bound the drain and the preStop hook first."
    return f"Write {field.format(math.ceil(least_s + workload.pre_stop_s) + MARGIN_S)}."
