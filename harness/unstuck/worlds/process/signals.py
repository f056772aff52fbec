"""Whom of a process a signal reaches: itself, its group, its whole tree, or one executing child; and by which
signal it ended.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence

from unstuck import clock
from unstuck.worlds.port import Scope
from unstuck.worlds.process import proctree
from unstuck.worlds.process.proctree import Process

_SNAPSHOTS_MAX = 50
_STOPPED_WITHIN_NS = 500_000_000
_LOOK_EVERY_S = 0.001
_NOT_HANDED_ON = frozenset({signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT})


def send_to_scope(
    main: Process, number: signal.Signals, scope: Scope, companion: Process | None = None
) -> list[Process]:
    """Sends; those who got it. `main` is alive, and adopts the orphans of its descendants.

    The descendants of `companion` are of the group, the tree and the children. It gets itself what a
    process cannot hand on: SIGKILL, SIGSTOP, SIGCONT; the rest comes from `main`, its stand-in.
    """
    both = [main] if companion is None else [main, companion]
    if scope == "main":
        targets = both if number in _NOT_HANDED_ON else [main]
    elif scope == "group":
        groups = {process.group for process in both}
        targets = [process for process in tree_of(*both) if process.group in groups]
        if number not in _NOT_HANDED_ON:
            targets = [process for process in targets if companion is None or process.pid != companion.pid]
    elif scope == "child":
        known = {process.pid for process in both}
        children = [one for one in tree_of(*both) if one.pid not in known and one.state not in "Tt"]
        targets = [max(children, key=lambda process: (process.started, process.pid))] if children else []
    else:
        return _send_to_tree(both, number, companion)
    return [process for process in targets if proctree.send(process, number)]


def tree_of(*roots: Process) -> list[Process]:
    """Each process, then its living descendants, parents first."""
    table = proctree.snapshot()
    found = []
    for root in roots:
        found += [root, *(one for one in proctree.descendants(root.pid, table) if one.alive)]
    return found


def _wait_stopped(processes: Iterable[Process]) -> None:
    """Until none of them runs any more: one on another processor goes on until its next tick."""
    deadline_ns = clock.monotonic_ns() + _STOPPED_WITHIN_NS
    for process in processes:
        while clock.monotonic_ns() < deadline_ns:
            now = proctree.read(process.pid)
            if now is None or now.started != process.started or now.state not in "RDS":
                break
            clock.sleep(_LOOK_EVERY_S)


def _send_to_tree(
    roots: Sequence[Process], number: signal.Signals, companion: Process | None
) -> list[Process]:
    """Stops everybody, until a look shows nobody new; only then signals, so that none escapes.

    1. we look  2. a process that we saw forks  3. we signal those whom we saw: the new one is missed.
    A process with a pending SIGSTOP does not complete a fork, so the looks come to an end.
    """
    if number == signal.SIGCONT:
        return [process for process in tree_of(*roots) if proctree.send(process, number)]
    stopped: dict[int, Process] = {}
    for _ in range(_SNAPSHOTS_MAX):
        new = [process for process in tree_of(*roots) if process.pid not in stopped]
        if not new:
            break
        for process in new:
            proctree.send(process, signal.SIGSTOP)
            stopped[process.pid] = process
    if number == signal.SIGSTOP:
        _wait_stopped(stopped.values())
        return list(stopped.values())
    handed_on = None if companion is None or number in _NOT_HANDED_ON else companion.pid
    got = [one for one in stopped.values() if one.pid == handed_on or proctree.send(one, number)]
    if number != signal.SIGKILL:
        for process in got:
            if process.state not in "Tt":  # whoever was stopped before us stays so
                proctree.send(process, signal.SIGCONT)
    return got


def exit_of(status: int) -> tuple[int | None, str | None]:
    """Exit code, or the signal's name, from a wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code, None
    try:
        return None, signal.Signals(-code).name
    except ValueError:
        return None, f"SIG{-code}"  # a real-time signal has no name
