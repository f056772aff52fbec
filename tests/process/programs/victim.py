# Its output is what it is for.

"""A harness that is meant to be killed: a session with a tree, a limit, a database and an emulator.

`victim.py SCRATCH` prints one JSON line for each thing that is up, then runs until it is killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from unstuck.worlds.port import ProcessSpec
from unstuck.worlds.process.session import Session

PROGRAMS = Path(__file__).parent


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    scratch, quick = Path(sys.argv[1]) / "usual", Path(sys.argv[1]) / "quick"
    scratch.mkdir()
    quick.mkdir()
    session = Session(preload=("tests.process.programs.entries",), scratch=scratch, quick=quick)
    say(folder=str(session.folder))
    world = session.world("victim")
    (session.folder / "kept").mkdir()
    (session.folder / "kept" / "file").write_text("goes with the session")
    say(zygote=session.zygote_pid, guardian=world.guardian_pid)
    environment = {"PATH": os.environ["PATH"]}
    tree = [sys.executable, str(PROGRAMS / "tree.py"), str(world.scratch / "tree.json")]
    world.start(
        ProcessSpec(name="tree", role="tree", command=tree, environment=environment, ready_line="ready")
    )
    say(tree=json.loads((world.scratch / "tree.json").read_text()))
    world.start(
        ProcessSpec(
            name="forked", role="forked", entry="tests.process.programs.entries:wait", ready_line="ready"
        )
    )
    if "memory_limit" in world.capabilities:
        command = [sys.executable, str(PROGRAMS / "allocate.py"), "main", "1"]
        world.start(
            ProcessSpec(
                name="limited",
                role="limited",
                command=command,
                environment=environment,
                ready_line="ready",
                memory_limit_bytes=128 * 1024 * 1024,
            )
        )
    say(limited=True)
    say(emulator=session.emulator().url)
    postgres = session.postgres()
    postgres.create_database("victim")
    say(postgres=postgres.port, dependencies=session._dependencies().guardian_pid)
    say(up=True)
    signal.pause()


main()
