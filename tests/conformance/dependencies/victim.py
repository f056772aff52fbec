"""A harness that opens one dependency of each kind it is told, says what there is, and waits to be killed.

`python -m tests.conformance.dependencies.victim FOLDER KIND…`
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from tests.conformance.dependencies.clients import SAMPLES
from unstuck.targets.dependencies import Wanted, open_dependency
from unstuck.worlds.process import proctree
from unstuck.worlds.process.session import Session


def main(folder: str, kinds: list[str]) -> None:
    more = json.loads(os.environ.get("VICTIM_OPTIONS", "{}"))
    options = {sample.kind: {**sample.options, **more} for sample in SAMPLES}
    session = Session()
    world = session.world("victim")
    ports = [
        open_dependency(
            Wanted(name=f"dep-{kind}", kind=kind, options=options[kind]),
            world=world,
            session=session,
            folder=Path(folder),
        ).port
        for kind in kinds
    ]
    assert session.zygote_pid is not None
    below = proctree.descendants(session.zygote_pid, proctree.snapshot())
    facts = {
        "run": f"{session.folder.name}-{world.scratch.name}",
        "ports": ports,
        "processes": [list(process) for process in below],
        "folders": [str(folder) for folder in {session.folder, world.scratch.parent, world.quick.parent}],
    }
    print(json.dumps(facts), flush=True)  # noqa: T201  what it prints is its result
    time.sleep(300)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
