"""Starts a server on a port that nobody has, though others look for one at the same time."""

from __future__ import annotations

from collections.abc import Callable

from unstuck.errors import TargetError
from unstuck.worlds.port import World
from unstuck.worlds.process.dependencies import STARTS_MAX, port_was_taken
from unstuck.worlds.process.ports import free_port
from unstuck.worlds.process.wire import Launch


def start_on_free_port(world: World, launch_on: Callable[[int], Launch]) -> tuple[int, Launch]:
    """The port, and what runs there and is ready. Raises what the world's start raises."""
    for _ in range(STARTS_MAX):
        port = free_port()
        launch = launch_on(port)
        try:
            world.start(launch)
        except TargetError as error:
            if not port_was_taken(error):
                raise
            problem = error
            continue
        return port, launch
    raise problem
