"""Leaves nothing behind: processes, companions, memory groups, shared memory, folders of a run.

Who dies, and who then cleans up (H harness, Z zygote, G guardian of one run, R a role's process):

1. H dies, even by SIGKILL. G and Z see the end of their sockets, and H's end through its pid handle
   even if a child of H holds a copy of a socket. G stops its tree and removes what it registered;
   Z waits for its guardians, removes the session's folder, ends.
2. G dies. Its R get SIGKILL from the kernel (parent-death signal). Whatever R started re-parents to
   Z, the next subreaper: Z knows its guardians, so every other child of Z is such an orphan, and is
   killed with its descendants. Then Z removes G's memory groups and folder.
3. R dies. R is a subreaper itself, as PID 1 of a container is, so until now all its descendants were
   below it; now they are children of G, which knows its own R: every other child of G is left over
   from R and is killed, as a container's runtime does, before R is started again.
4. Z dies. G sees that its parent changed, within half a second, and does as in 1; the last guardian
   finds no other run's folder in the session's two (the second has the dependencies) and removes them.
5. H and G die: Z does 2, then 1. H and Z die: G does 1 and 4.
6. Z and G die in the same instant: R gets SIGKILL, but what R had started goes to init and stays.
   Nobody is left to know it; the kernel offers no cure without privileges. Not covered.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from unstuck import clock
from unstuck.worlds.process import cgroups, companion, linux, proctree


def kill_until_none(
    without: Callable[[], Iterable[int]], reap: Callable[[], None], timeout_s: float = 10.0
) -> bool:
    """SIGKILLs everybody below this process until nobody is left; False after `timeout_s`.

    `without` names the branches to spare, `reap` collects children that ended. What a snapshot
    misses was forked by somebody whom it shows; once that one has its SIGKILL it cannot fork any
    more (the kernel checks for it inside fork), so the next snapshots find the rest.
    """
    deadline_ns = clock.monotonic_ns() + int(timeout_s * 1e9)
    pause_s = 0.001
    while True:
        reap()
        left = proctree.below_self(without())
        if not left:
            return True
        for process in left:
            proctree.send(process, signal.SIGKILL)
        if clock.monotonic_ns() > deadline_ns:
            return False
        clock.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.01)


def remove_groups(parent: cgroups.Parent | None, prefix: str) -> None:
    """Removes the memory groups whose names begin with `prefix`; their processes have ended."""
    if parent is not None:
        for folder in parent.folder.glob(f"{prefix}*"):
            cgroups.remove_folder(folder)


def remove_scratch(folder: Path) -> None:
    """Removes a run's folder, the shared memory of databases in it, and what its companions name."""
    for file in folder.glob(f"*/{companion.FILE}"):
        companion.kill(file)
    for pid_file in folder.glob("*/data/postmaster.pid"):
        with contextlib.suppress(OSError):
            release_shared_memory(pid_file.read_text())
    shutil.rmtree(folder, ignore_errors=True)


def remove_session(folder: Path) -> None:
    """Removes what a session's harness kept in the session's folder, once no run's folder is in it."""
    with contextlib.suppress(OSError):
        if not any(path.name.isdigit() for path in folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)


def release_shared_memory(pid_file: str) -> bool:
    """Frees the System V segment that a PostgreSQL killed by SIGKILL left; its pid file names it.

    Line 7 of `postmaster.pid` is key and id of the segment (PostgreSQL, storage/ipc and miscinit.c).
    """
    lines = pid_file.splitlines()
    if len(lines) < 7 or len(lines[6].split()) != 2:
        return False
    return linux.remove_shared_memory(int(lines[6].split()[1]))
