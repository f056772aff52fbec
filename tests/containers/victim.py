# Its output is what it is for.
# ruff: noqa: T201  what it prints is its result
"""A harness that is meant to be killed: it makes, replaces, freezes and removes containers without end.

`victim.py SCRATCH` prints one JSON line for each thing that is up, then goes on until it is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from pathlib import Path

from unstuck.errors import HarnessError
from unstuck.worlds.container.session import ContainerSession
from unstuck.worlds.port import ProcessSpec
from unstuck.worlds.process.session import Session

CAREFUL = "trap 'exit 0' TERM; echo ready; while :; do sleep 1 & wait; done"
SHORT = "echo ready; sleep 0.2; exit 1"  # is started again and again
LIMIT_BYTES = 64 * 1024 * 1024


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def spec(name: str, script: str) -> ProcessSpec:
    return ProcessSpec(
        name=name, role="w", command=["sh", "-c", script], ready_line="ready", memory_limit_bytes=LIMIT_BYTES
    )


def go_on(containers: ContainerSession) -> None:
    world = containers.world("victim")
    say(guardian=world.guardian_pid, run=world.label)
    world.start(spec("short", SHORT))
    for number in itertools.count(1):
        name = f"w-{number}"
        world.start(spec(name, CAREFUL))
        say(up=True)
        world.signal(name, "SIGSTOP", "tree")
        if number > 1:
            world.stop(f"w-{number - 1}", grace_s=0.1)


def main() -> None:
    """Ctrl-C, or the loss of the guardian, ends it in good order."""
    with (
        contextlib.suppress(KeyboardInterrupt, HarnessError),
        Session(scratch=Path(sys.argv[1])) as session,
        contextlib.closing(ContainerSession(session, image_name="python:3.11-slim")) as containers,
    ):
        say(folder=str(session.folder))
        go_on(containers)


main()
