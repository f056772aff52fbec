"""The guardian of one run's containers: `python -m unstuck.worlds.container.guardian FD SETTINGS`.

The same loop and the same words as the guardian of processes. It alone makes the containers of its run, one
after the other, and removes them when the harness asks, or is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unstuck.errors import HarnessError
from unstuck.worlds.container import residue
from unstuck.worlds.container.engine import connect
from unstuck.worlds.container.supervisor import Berth, Ended, SupervisedContainer
from unstuck.worlds.port import Scope
from unstuck.worlds.process import proctree
from unstuck.worlds.process.guardian import Charge, Guardian
from unstuck.worlds.process.residue import remove_scratch, remove_session
from unstuck.worlds.process.signals import send_to_scope, tree_of
from unstuck.worlds.process.supervisor import Supervised
from unstuck.worlds.process.wire import Launch

if TYPE_CHECKING:
    from docker import DockerClient


class ContainerGuardian(Guardian):
    def __init__(self, control: socket.socket, charge: Charge, client: DockerClient, berth: Berth) -> None:
        super().__init__(control, charge)
        self._client = client
        self._berth = berth
        self._ends: queue.SimpleQueue[Ended] = queue.SimpleQueue()

    def _supervise(self, launch: Launch) -> Supervised:
        return SupervisedContainer(
            launch,
            log=self._log_of(launch),
            emit=self._emit,
            client=self._client,
            berth=self._berth,
            tell_ended=self._hear_end,
        )

    def _hear_end(self, end: Ended) -> None:
        """Called from the threads that wait for the engine; wakes the loop."""
        self._ends.put(end)
        self._wake()

    def _reap(self) -> None:
        """Nobody is our child."""

    def _act_on_ended(self) -> None:
        while not self._ends.empty():
            end = self._ends.get()
            end.who.ended(end)

    def _send_to(
        self, one: Supervised, main: proctree.Process, number: signal.Signals, scope: Scope
    ) -> list[proctree.Process]:
        """Kills, freezes and thaws whole containers by the engine; the rest goes to its processes."""
        assert isinstance(one, SupervisedContainer)
        if not one.is_main(main):
            return []
        if scope == "main":
            return [main] if one.send(number) else []
        if scope == "child" or number not in {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT}:
            return send_to_scope(main, number, scope)
        # With process 1 all others are killed, by the kernel. A freeze reaches all of them, and those whom
        # they start before it has; so the tree is read when it stands still.
        if number == signal.SIGKILL:
            tree = tree_of(main)
            return tree if one.send(number) else []
        frozen = one.pause() if number == signal.SIGSTOP else one.unpause()
        return tree_of(main) if frozen else []

    def _take_all_away(self) -> None:
        for one in self._supervised.values():
            one.retired = True
        with contextlib.suppress(HarnessError):  # the harness looks for itself, and tells
            residue.remove_run(self._client, self._berth.run)
        remove_scratch(self._charge.scratch)
        if os.getppid() != self._charge.zygote_pid:
            remove_session(self._charge.session)  # we may have made it after its zygote removed it
        self._say_closed()


def main(arguments: list[str]) -> None:
    """Serves until the harness closes or is gone. Never returns."""
    settings: dict[str, Any] = json.loads(arguments[1])
    harness = settings["harness_pid"]
    try:
        handle = os.pidfd_open(harness)
    except OSError:
        os._exit(1)  # it is dead already: nothing was made
    charge = Charge(
        scratch=Path(settings["scratch"]),
        quick=Path(settings["scratch"]),
        session=Path(settings["scratch"]).parent,
        group_prefix="",
        groups=None,
        packages=frozenset(),
        zygote_pid=harness,  # our parent; when it changes, the harness is gone
        harness=handle,
    )
    berth = Berth(image=settings["image"], run=settings["run"], owner=settings["owner"])
    ContainerGuardian(socket.socket(fileno=int(arguments[0])), charge, connect(), berth).run()


if __name__ == "__main__":
    main(sys.argv[1:])
