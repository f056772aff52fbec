# Its output is what it is for.
# ruff: noqa: T201  what it prints is its result
"""Kills harnesses with SIGKILL at random moments, and looks for any container, process or folder left.

`python -m tests.containers.kill_harness --kills 20 --seed 1` (with `harness` on the path) prints one line
for each residue, then a JSON summary; it ends with 1 if there was any.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.process.kill_harness import ROOT, facts_of, wait_for_moment, wait_no_descendants
from unstuck.worlds.container import residue
from unstuck.worlds.container.engine import connect
from unstuck.worlds.process import linux, proctree

VICTIM = Path(__file__).parent / "victim.py"
STARTS_IN_S = 2.5  # about: half of the kills fall within it, the others soon after the victim is up
SOON_S = 2.0
ENDS_WITHIN_S = 40.0
GONE_WITHIN_S = 15.0
LATE_S = 1.5  # what the engine was asked for before a kill would have come by then


def start_victim(scratch: Path, output: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'harness'}{os.pathsep}{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with output.open("w") as file:
        return subprocess.Popen([sys.executable, str(VICTIM), str(scratch)], stdout=file, env=environment)


def of_the_engine(client: Any, owner: str) -> set[str]:
    """Containers of one harness, and all networks and volumes: whatever an engine can keep of a run."""
    filters = {"label": f"{residue.LABEL_OWNER}={owner}"}
    found = {f"container {one['Names']}" for one in client.api.containers(all=True, filters=filters)}
    found |= {f"network {one['Name']}" for one in client.api.networks()}
    return found | {f"volume {one['Name']}" for one in client.api.volumes()["Volumes"] or ()}


def owner_of(pid: int) -> str:
    """As the victim calls itself: ours, with its pid and start time."""
    process = proctree.read(pid)
    assert process is not None
    return "/".join([*residue.owner().split("/")[:2], str(pid), str(process.started)])


def kill_one(client: Any, delay_s: float, whom: str, *, once_up: bool) -> tuple[bool, list[str], float]:
    """Kills `whom` of a new victim: whether it was up, its residue, seconds until it was gone."""
    before = of_the_engine(client, "nobody")
    scratch = Path(tempfile.mkdtemp(prefix="kill-containers-"))
    (scratch / "session").mkdir()
    victim = start_victim(scratch / "session", scratch / "output")
    try:
        owner = owner_of(victim.pid)
        wait_for_moment(victim, scratch / "output", delay_s, once_up=once_up)
        if victim.poll() is not None:
            return False, [f"a victim that had ended by itself with {victim.returncode}"], 0.0
        facts = facts_of(scratch / "output")
        guardian = facts.get("guardian")
        if whom == "harness":
            os.kill(victim.pid, signal.SIGKILL)
        elif whom == "guardian" and guardian is not None:
            os.kill(guardian, signal.SIGKILL)  # the harness hears of it, and ends in good order
        else:
            os.kill(victim.pid, signal.SIGINT)
        killed = time.monotonic()
        try:
            victim.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            return bool(facts.get("up")), [f"a victim that runs {ENDS_WITHIN_S:g} s later"], ENDS_WITHIN_S
        lines = [f"process {process.pid}" for process in wait_no_descendants()]
        while (left := of_the_engine(client, owner) - before) and time.monotonic() < killed + GONE_WITHIN_S:
            time.sleep(0.02)
        took_s = time.monotonic() - killed
        if not left:
            time.sleep(LATE_S)
            left = of_the_engine(client, owner) - before
        lines += sorted(left) + [f"folder {path}" for path in (scratch / "session").rglob("*")]
        return bool(facts.get("up")), lines, took_s
    finally:
        victim.kill()
        shutil.rmtree(scratch, ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whom", default="harness", choices=["harness", "guardian", "ctrl-c"])
    chosen = parser.parse_args(arguments)
    linux.become_subreaper()
    client = connect()
    generator = random.Random(chosen.seed)
    residues, up, slowest_s = 0, 0, 0.0
    for number in range(chosen.kills):
        once_up = (number + chosen.seed) % 2 == 1
        delay_s = generator.uniform(0, SOON_S if once_up else STARTS_IN_S)
        was_up, left, took_s = kill_one(client, delay_s, chosen.whom, once_up=once_up)
        residues, up, slowest_s = residues + bool(left), up + was_up, max(slowest_s, took_s)
        for line in left:
            print(f"kill {number} (up: {once_up}) after {delay_s:.3f} s left {line}", flush=True)
    client.close()
    summary = {"kills": chosen.kills, "seed": chosen.seed, "whom": chosen.whom}
    print(json.dumps({**summary, "with_residue": residues, "were_up": up, "slowest_s": round(slowest_s, 3)}))
    return 1 if residues else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
