"""Who is whose child: snapshots of the process table, and signals that pid reuse cannot misdirect."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from unstuck import clock

_HAS_PROC = sys.platform.startswith("linux")
_DEAD_STATES = "ZX"


class Process(NamedTuple):
    """One line of the process table. `pid` and `started` together name a process for ever."""

    pid: int
    parent: int
    group: int
    session: int
    state: str
    started: int  # clock ticks since boot (Linux), seconds since 1970 (elsewhere)

    @property
    def alive(self) -> bool:
        """Zombies have ended; they only wait for their parent."""
        return self.state not in _DEAD_STATES


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    found = read(pid)
    return found is not None and found.alive


def read(pid: int) -> Process | None:
    """The process with this pid, zombies included; None when there is none."""
    if not _HAS_PROC:
        return snapshot().get(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    # The program's name stands in brackets and may hold brackets and spaces itself.
    fields = text[text.rindex(")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), fields[0], int(fields[19]))


def snapshot() -> dict[int, Process]:
    """The process table, by pid. Not atomic: what forks meanwhile may be missing, so ask again."""
    if not _HAS_PROC:
        return parse_ps(_run_ps())
    found = (read(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def below_self(without: Iterable[int] = ()) -> list[Process]:
    """Our own descendants, parents before children; `without` cuts whole branches.

    Where the kernel lists children it reads no other process. Complete for our children as long as we
    alone collect them, and in one thread (proc(5)); of theirs one may be missing that just came or went.
    """
    me = os.getpid()
    if not os.path.exists(f"/proc/{me}/task/{me}/children"):  # no Linux, or a kernel without the list
        return descendants(me, snapshot(), without)
    cut = set(without)
    found: list[Process] = []
    pending = [me]
    while pending:
        for pid in _children(pending.pop()):
            process = None if pid in cut else read(pid)
            if process is not None:
                found.append(process)
                pending.append(pid)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += map(int, file.read().split())
    return children


def _run_ps() -> str:
    command = ["ps", "-axo", "pid=,ppid=,pgid=,state=,lstart="]
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def parse_ps(text: str) -> dict[int, Process]:
    """What `ps -axo pid=,ppid=,pgid=,state=,lstart=` printed; a session counts as the group there."""
    table = {}
    for line in text.splitlines():
        pid, parent, group, state, started = line.split(None, 4)
        seconds = int(datetime.strptime(started.strip(), "%a %b %d %H:%M:%S %Y").timestamp())  # noqa: DTZ007  ps prints local time
        table[int(pid)] = Process(int(pid), int(parent), int(group), int(group), state[0], seconds)
    return table


def descendants(root: int, table: Mapping[int, Process], without: Iterable[int] = ()) -> list[Process]:
    """Everybody below `root` (not itself), parents before children; `without` cuts whole branches."""
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    cut = set(without)
    found: list[Process] = []
    pending = [root]
    while pending:
        for child in children.get(pending.pop(), ()):
            if child.pid not in cut:
                found.append(child)
                pending.append(child.pid)
    return found


def exists(process: Process) -> bool:
    """Whether this very process still runs; a zombie and a later holder of its pid do not count."""
    now = read(process.pid)
    return now is not None and now.started == process.started and now.alive


def send(process: Process, number: int) -> bool:
    """Signals this very process, or nobody: True when it got the signal."""
    if not hasattr(os, "pidfd_open"):
        if exists(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
                return True
        return False
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        # 1. we read the table  2. the process ends, its pid is given away  3. we open the handle.
        # The handle holds the pid, so looking once more, after it is open, decides.
        if not exists(process):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def wait_gone(processes: Iterable[Process], timeout_s: float) -> bool:
    """True as soon as none of these very processes runs any more, False after `timeout_s`."""
    deadline_ns = clock.monotonic_ns() + int(timeout_s * 1e9)
    pause_s = 0.001
    left = list(processes)
    while True:
        left = [process for process in left if exists(process)]
        if not left:
            return True
        if clock.monotonic_ns() >= deadline_ns:
            return False
        clock.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.02)
