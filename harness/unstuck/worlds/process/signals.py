"""Whom of a process a signal reaches: itself, its group, its whole tree, or one executing child."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from unstuck import clock
from unstuck.worlds.port import Scope
from unstuck.worlds.process import proctree
from unstuck.worlds.process.proctree import Process

_SNAPSHOTS_MAX = 50
_STOPPED_WITHIN_NS = 500_000_000
_LOOK_EVERY_S = 0.001


def send_to_scope(main: Process, number: signal.Signals, scope: Scope) -> list[Process]:
    """Sends; those who got it. `main` is alive, and adopts the orphans of its descendants."""
    if scope == "main":
        targets = [main]
    elif scope == "group":
        targets = [process for process in tree_of(main) if process.group == main.group]
    elif scope == "child":
        children = [process for process in tree_of(main)[1:] if process.state not in "Tt"]
        targets = [max(children, key=lambda process: (process.started, process.pid))] if children else []
    else:
        return _send_to_tree(main, number)
    return [process for process in targets if proctree.send(process, number)]


def tree_of(main: Process) -> list[Process]:
    """The process, then its living descendants, parents first."""
    below = proctree.descendants(main.pid, proctree.snapshot())
    return [main, *(process for process in below if process.alive)]


def _wait_stopped(processes: Iterable[Process]) -> None:
    """Until none of them runs any more: one on another processor goes on until its next tick."""
    deadline_ns = clock.monotonic_ns() + _STOPPED_WITHIN_NS
    for process in processes:
        while clock.monotonic_ns() < deadline_ns:
            now = proctree.read(process.pid)
            if now is None or now.started != process.started or now.state not in "RDS":
                break
            clock.sleep(_LOOK_EVERY_S)


def _send_to_tree(main: Process, number: signal.Signals) -> list[Process]:
    """Stops everybody, until a look shows nobody new; only then signals, so that none escapes.

    1. we look  2. a process that we saw forks  3. we signal those whom we saw: the new one is missed.
    A process with a pending SIGSTOP does not complete a fork, so the looks come to an end.
    """
    if number == signal.SIGCONT:
        return [process for process in tree_of(main) if proctree.send(process, number)]
    stopped: dict[int, Process] = {}
    for _ in range(_SNAPSHOTS_MAX):
        new = [process for process in tree_of(main) if process.pid not in stopped]
        if not new:
            break
        for process in new:
            proctree.send(process, signal.SIGSTOP)
            stopped[process.pid] = process
    if number == signal.SIGSTOP:
        _wait_stopped(stopped.values())
        return list(stopped.values())
    got = [process for process in stopped.values() if proctree.send(process, number)]
    if number != signal.SIGKILL:
        for process in got:
            if process.state not in "Tt":  # whoever was stopped before us stays so
                proctree.send(process, signal.SIGCONT)
    return got
