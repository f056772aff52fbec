"""Faults: what can be done to a service. One a module; each says what counts as landed."""

from __future__ import annotations

from types import ModuleType

from unstuck.faults import (
    allocate_here,
    back_up,
    clock,
    complete_again,
    corrupt_artefacts,
    crash_here,
    cut_message,
    delay_message,
    down,
    drop_message,
    duplicate_message,
    error_message,
    fill_disk,
    hang_here,
    heal,
    hold_message,
    kill,
    link_down,
    manual_update,
    migrate,
    notifications_off,
    pause,
    pause_recovery,
    restore_backup,
    rolling_replace,
    swallow,
    terminate,
    toxic,
    trigger_recovery,
)

FAULTS: dict[str, ModuleType] = {
    module.NAME: module
    for module in (
        allocate_here,
        back_up,
        clock,
        complete_again,
        corrupt_artefacts,
        crash_here,
        cut_message,
        delay_message,
        down,
        drop_message,
        duplicate_message,
        error_message,
        fill_disk,
        hang_here,
        heal,
        hold_message,
        kill,
        link_down,
        manual_update,
        migrate,
        notifications_off,
        pause,
        pause_recovery,
        restore_backup,
        rolling_replace,
        swallow,
        terminate,
        toxic,
        trigger_recovery,
    )
}
"""Every fault by its name in scenarios."""
