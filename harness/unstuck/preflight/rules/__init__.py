"""The rules, one a file, in the order of their ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from unstuck.preflight.rules import (
    drain_fits_grace,
    flag_of_another_kind,
    heap_fits,
    heartbeat_in_time,
    init_reaps,
    lease_outlasts_stage,
    liveness_is_own,
    liveness_spares_busy,
    memory_headroom,
    memory_limit,
    ready_before_requests,
    recovery_scheduled,
    restarts,
    schedule_overlaps,
    signal_is_handled,
    signal_reaches_program,
    stage_fits_grace,
    stays_while_it_works,
    stop_takes_all,
    timeout_outlasts_stage,
)
from unstuck.preflight.rules.port import Rule

_EVERY: Final[tuple[Rule, ...]] = (
    flag_of_another_kind,
    drain_fits_grace,
    stage_fits_grace,
    memory_limit,
    memory_headroom,
    signal_reaches_program,
    signal_is_handled,
    lease_outlasts_stage,
    heartbeat_in_time,
    timeout_outlasts_stage,
    liveness_spares_busy,
    liveness_is_own,
    recovery_scheduled,
    restarts,
    init_reaps,
    schedule_overlaps,
    heap_fits,
    stays_while_it_works,
    stop_takes_all,
    ready_before_requests,
)

RULES: Final[Mapping[str, Rule]] = {rule.ID: rule for rule in _EVERY}
"""Id -> rule."""
