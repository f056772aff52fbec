"""What runs in containers share: the engine, the image, and a session of processes beside them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from unstuck import clock
from unstuck.errors import HarnessError
from unstuck.worlds.container import image, residue
from unstuck.worlds.container.engine import connect
from unstuck.worlds.container.world import CAPABILITIES, ContainerWorld
from unstuck.worlds.port import ProcessEvent
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ProcessWorld, ignore_event

if TYPE_CHECKING:
    from docker import DockerClient

_GUARDIAN_UP_WITHIN_S = 20.0
_GUARDIAN_ENDS_WITHIN_S = 40.0


class ContainerSession:
    """Makes container worlds; a context manager by way of `close`. Safe to use from many threads.

    `beside` is the session whose processes run next to the containers; it is the caller's to close, after
    this one. Raises `UsageError` where there is no engine to use.
    """

    def __init__(
        self,
        beside: Session,
        *,
        image_name: str | None = None,
        tell: Callable[[str], None] = lambda _: None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        """`image_name` is what containers are made from; None: the reference service, built if need be."""
        self._beside = beside
        self._image = image_name
        self._tell = tell
        self._interrupted = interrupted
        self._client: DockerClient = connect()
        self._owner = residue.owner()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._guardians: list[subprocess.Popen[bytes]] = []
        self._worlds: list[ContainerWorld] = []
        residue.remove_orphans(self._client)

    def capabilities(self) -> frozenset[str]:
        """What worlds of this session can do."""
        return CAPABILITIES

    def prepare(self) -> str:
        """The image that containers are made from; the first who asks waits for it to be built.

        Raises `TargetError`, `Interrupted`.
        """
        with self._lock:
            if self._image is None:
                self._image = image.ensure(self._client, tell=self._tell, interrupted=self._interrupted)
            return self._image

    def world(
        self,
        name: str,
        *,
        on_event: Callable[[ProcessEvent], None] = ignore_event,
        start_ns: int | None = None,
    ) -> ContainerWorld:
        """A world for one run, with two guardians of its own. `start_ns`: the run's zero; None: now.

        Raises `TargetError` for an image that cannot be built, `HarnessError` when a guardian does not come
        up, `Interrupted`.
        """
        made_from = self.prepare()
        start_ns = clock.monotonic_ns() if start_ns is None else start_ns
        beside = self._beside.world(name, on_event=on_event, start_ns=start_ns)
        try:
            run = f"{self._beside.folder.name}-{next(self._numbers)}"
            containers = self._start_guardian(name, run, made_from, on_event, start_ns)
        except BaseException:
            beside.close()
            raise
        world = ContainerWorld(beside=beside, containers=containers, client=self._client, run=run)
        self._worlds.append(world)
        return world

    def _start_guardian(
        self,
        name: str,
        run: str,
        made_from: str,
        on_event: Callable[[ProcessEvent], None],
        start_ns: int,
    ) -> ProcessWorld:
        scratch = self._beside.folder / f"containers-{run.rpartition('-')[2]}"
        settings = {
            "harness_pid": os.getpid(),
            "scratch": str(scratch),
            "image": made_from,
            "run": run,
            "owner": self._owner,
        }
        module = "unstuck.worlds.container.guardian"
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", module, str(theirs.fileno()), json.dumps(settings)]
            guardian = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C on a terminal is for the harness, which then closes us
            )
        with self._lock:
            self._guardians.append(guardian)
        world = ProcessWorld(
            ours,
            run=name,
            scratch=scratch,
            quick=scratch,
            guardian_pid=guardian.pid,
            capabilities=CAPABILITIES,
            on_event=on_event,
            start_ns=start_ns,
            interrupted=self._interrupted,
        )
        try:
            world.wait_up(_GUARDIAN_UP_WITHIN_S)
        except BaseException:
            world.close()  # it sees the end of its socket once it is up, and ends
            raise
        return world

    def close(self) -> None:
        """Ends all worlds and their guardians; idempotent. Raises `HarnessError` for what stays."""
        problems = []
        for world in self._worlds:
            try:
                world.close()
            except HarnessError as error:
                problems.append(error)
        for guardian in self._guardians:
            with contextlib.suppress(subprocess.TimeoutExpired):
                guardian.wait(_GUARDIAN_ENDS_WITHIN_S)
        self._client.close()
        if problems:
            raise problems[0]
