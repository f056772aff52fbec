# Its output is what it is for.
# ruff: noqa: T201  what it prints is its result
"""Kills harnesses with SIGKILL at random moments, and looks for anything that they left.

`python -m tests.process.kill_harness --kills 200 --seed 1` (with `harness` on the path) prints one
line for each residue, then a JSON summary; it ends with 1 if there was any. This process adopts every
orphan below it, so nothing that a killed harness had started can hide.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from unstuck.worlds.process import cgroups, linux, proctree

ROOT = Path(__file__).parents[2]
VICTIM = Path(__file__).parent / "programs" / "victim.py"
STARTS_IN_S = 3.0  # about: half of the kills fall within it, the others soon after the victim is up
SOON_S = 0.5
UP_WITHIN_S = 60.0
GONE_WITHIN_S = 15.0


def start_victim(scratch: Path, output: TextIO) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'harness'}{os.pathsep}{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",  # a process that is killed must not leave caches half written
    }
    return subprocess.Popen([sys.executable, str(VICTIM), str(scratch)], stdout=output, env=environment)


def facts_of(output: Path) -> dict[str, Any]:
    """What the victim said before it died; a line that is cut off counts as not said."""
    facts: dict[str, Any] = {}
    for line in output.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            facts |= json.loads(line)
    return facts


def reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass


def wait_no_descendants() -> list[proctree.Process]:
    """Those who are still below us after a while; empty as soon as there are none."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while True:
        reap()
        left = proctree.descendants(os.getpid(), proctree.snapshot())
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def shared_memory() -> set[str]:
    """Segments of System V whose maker is dead, and files of POSIX shared memory that nobody maps."""
    found = {f"posix {path.name}" for path in Path("/dev/shm").glob("PostgreSQL*") if not mapped(path)}
    for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        _, identity, _, _, maker, *_ = line.split()
        if proctree.read(int(maker)) is None:
            found.add(f"system v {identity}")
    return found


def mapped(path: Path) -> bool:
    """Whether some process maps the file: then it belongs to somebody who lives."""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            if str(path) in maps.read_text():
                return True
    return not path.exists()


def answered(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def groups_of(identity: str) -> list[str]:
    mounts = Path("/proc/self/mountinfo").read_text()
    found = cgroups.candidates(Path("/proc/self/cgroup").read_text(), mounts)
    return [str(path) for parent in found for path in parent.folder.glob(f"unstuck-{identity}*")]


def residue(scratch: Path, facts: dict[str, Any], before: set[str]) -> list[str]:
    """One line for each thing that is left of a dead harness."""
    lines = []
    for process in wait_no_descendants():
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        lines.append(f"process {process.pid} ({process.state}): {command}")
        os.kill(process.pid, signal.SIGKILL)
    lines += [f"folder {path}" for path in scratch.glob("*/*")]
    if "folder" in facts:
        lines += [f"cgroup {path}" for path in groups_of(facts["folder"].rpartition("-")[2])]
    ports = [
        facts.get("postgres"),
        int(facts["emulator"].rpartition(":")[2]) if "emulator" in facts else None,
    ]
    lines += [f"port {port}" for port in ports if port is not None and answered(port)]
    return lines + [f"shared memory {name}" for name in sorted(shared_memory() - before)]


def wait_for_moment(victim: subprocess.Popen[bytes], output: Path, delay_s: float, *, once_up: bool) -> None:
    """Until the victim is up, if so asked, and then `delay_s` more; or until it ends."""
    up_by = time.monotonic() + UP_WITHIN_S
    while once_up and victim.poll() is None and not facts_of(output).get("up"):
        assert time.monotonic() < up_by, facts_of(output)
        time.sleep(0.01)
    deadline = time.monotonic() + delay_s
    while victim.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def kill_one(
    delay_s: float, roles: Sequence[str], *, once_up: bool
) -> tuple[dict[str, Any], list[str], float]:
    """Starts a victim and kills `roles` of it: what it had said, its residue, seconds until it was gone."""
    before = shared_memory()
    scratch = Path(tempfile.mkdtemp(prefix="kill-harness-"))
    try:
        (scratch / "session").mkdir()
        with (scratch / "output").open("w") as output:
            victim = start_victim(scratch / "session", output)
        wait_for_moment(victim, scratch / "output", delay_s, once_up=once_up)
        if victim.poll() is not None:
            return {}, [f"a victim that had ended by itself with {victim.returncode}: nothing was tried"], 0.0
        facts = facts_of(scratch / "output")
        pids = [victim.pid if role == "harness" else facts.get(role) for role in roles]
        killed = time.monotonic()
        for pid in pids:
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        if "harness" not in roles:
            victim.kill()  # what it was for has happened: the rest goes, and has to go as well
        victim.wait()
        facts = facts_of(scratch / "output")
        left = residue(scratch / "session", facts, before)
        return facts, left, time.monotonic() - killed
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--roles",
        nargs="+",
        default=["harness"],
        choices=["harness", "zygote", "guardian", "dependencies"],
        help="whom to kill",
    )
    chosen = parser.parse_args(arguments)
    linux.become_subreaper()
    generator = random.Random(chosen.seed)
    residues, slowest_s, up = 0, 0.0, 0
    for number in range(chosen.kills):
        once_up = (number + chosen.seed) % 2 == 1  # in turn; an odd seed begins with one that is up
        delay_s = generator.uniform(0, SOON_S if once_up else STARTS_IN_S)
        facts, left, took_s = kill_one(delay_s, chosen.roles, once_up=once_up)
        slowest_s, up = max(slowest_s, took_s), up + bool(facts.get("up"))
        residues += bool(left)
        for line in left:
            print(f"kill {number} (up: {once_up}) after {delay_s:.3f} s left {line}", flush=True)
    summary = {"kills": chosen.kills, "seed": chosen.seed, "roles": chosen.roles}
    print(json.dumps({**summary, "with_residue": residues, "were_up": up, "slowest_s": round(slowest_s, 3)}))
    return 1 if residues else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
