"""Starts the processes of a target side by side."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from unstuck.worlds.port import ProcessSpec, World


def start_all(world: World, specs: Iterable[ProcessSpec]) -> None:
    """Returns when each has started or failed; raises the first of their errors, in their order."""
    tasks = [world.scheduler.spawn(f"start {spec.name}", partial(world.start, spec)) for spec in specs]
    errors: list[Exception] = []
    for task in tasks:  # all of them, so that none goes on starting while we take everything down
        try:
            task.join()
        except Exception as error:  # noqa: BLE001  the first is raised when nobody starts any more
            errors.append(error)
    if errors:
        raise errors[0]
