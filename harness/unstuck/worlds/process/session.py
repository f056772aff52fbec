"""What several runs share: the zygote that they are forked from, and their dependencies."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from unstuck import clock
from unstuck.errors import HarnessError, Interrupted, TargetError
from unstuck.worlds.port import ProcessEvent
from unstuck.worlds.process import wire
from unstuck.worlds.process.dependencies.postgres import Postgres
from unstuck.worlds.process.dependencies.s3 import Emulator, EmulatorName
from unstuck.worlds.process.limits import check_space, quick_folder, temporary_folder
from unstuck.worlds.process.wall_clock import Shim
from unstuck.worlds.process.world import LOOK_EVERY_S, ProcessWorld, ignore_event

_ZYGOTE_READY_WITHIN_S = 60.0
_ZYGOTE_ENDS_WITHIN_S = 20.0
_GUARDIAN_READY_WITHIN_S = 20.0
T = TypeVar("T")


class Session:
    """Zygote, worlds and dependencies, each started when it is first asked for; a context manager.

    `preload` names modules that the zygote imports once (the roles of their packages then start by
    fork, in milliseconds); they must start no thread and open no socket. `scratch` is where the
    session makes its folder; None: the system's temporary folder. `quick` is the same for what
    dependencies keep; None: as `scratch`, or without one memory where Linux has enough of it.
    When `close` returns, or when this process dies however it dies, no process, socket, memory group
    or folder of the session is left. `folder` is there from `prepare` on; what the harness keeps in it
    goes with the session.
    Every method may be called from several threads at once. Once `interrupted()`, whoever waits for
    something to start, here or in a world, gets `Interrupted`.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = (),
        scratch: Path | None = None,
        quick: Path | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._interrupted = interrupted
        # Forking after imports is not safe on macOS: there every entry is executed instead.
        self._preload = tuple(preload) if sys.platform.startswith("linux") else ()
        self._identity = secrets.token_hex(4)
        parent = temporary_folder() if scratch is None else scratch
        self.folder = parent.absolute() / f"unstuck-{self._identity}"
        quick = quick or scratch or quick_folder(parent)
        self._quick_folder = quick.absolute() / self.folder.name  # what the dependencies keep
        self._lock = threading.RLock()  # held while the zygote or a guardian is being started
        # A database takes a second to start: other runs, and the emulators, must not wait for it.
        self._postgres_lock = threading.Lock()
        self._emulator_lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._memory_limit = False
        self._disk_limit = False
        self._worlds: list[ProcessWorld] = []
        self._shared: ProcessWorld | None = None
        self._postgres: Postgres | None = None
        self._emulators: dict[EmulatorName, Emulator] = {}
        self._made: dict[str, Any] = {}  # what `once` made, by key
        self._making: dict[str, threading.Lock] = {}
        self._shim = Shim(self.folder / "shim")  # for clock faults
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> Literal[False]:
        self.close()
        return False

    @property
    def zygote_pid(self) -> int | None:
        """None before the first world."""
        return None if self._zygote is None else self._zygote.pid

    @property
    def interrupted(self) -> bool:
        """True once somebody wants what runs here to end early."""
        return self._interrupted()

    def prepare(self) -> None:
        """Starts the zygote, unless it runs already.

        Raises `TargetError` when a module of `preload` cannot be imported, `UsageError` when its folder's
        disk is full.
        """
        with self._lock:
            if self._closed:
                raise HarnessError("session is closed; make a new one")
            if self._zygote is None:
                self._start_zygote()

    def _start_zygote(self) -> None:
        check_space(self.folder.parent)
        ours, theirs = socket.socketpair()
        settings = {
            "folder": str(self.folder),
            "session": self._identity,
            "preload": self._preload,
            "harness_pid": os.getpid(),
        }
        module = "unstuck.worlds.process.zygote"
        command = [sys.executable, "-P", "-m", module, str(theirs.fileno()), json.dumps(settings)]
        with theirs:
            self._zygote = subprocess.Popen(
                command,
                env=_zygote_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C on a terminal is for the harness, which then closes us
            )
        self._control = ours
        try:
            answer = self._zygote_says(_ZYGOTE_READY_WITHIN_S)
        except BaseException:
            self._zygote.terminate()  # it may be in the midst of its imports, and read nothing
            self._end_zygote()
            raise
        if answer["error"] is not None:
            self._end_zygote()
            raise TargetError(str(answer["error"]))
        self._memory_limit = bool(answer["memory_limit"])
        self._disk_limit = bool(answer["disk_limit"])

    def _zygote_says(self, timeout_s: float) -> dict[str, object]:
        assert self._control is not None
        self._control.settimeout(LOOK_EVERY_S)
        deadline_ns = clock.monotonic_ns() + int(timeout_s * 1e9)
        lines = wire.Lines()
        while True:
            if self._interrupted():
                raise Interrupted("interrupted while the session was starting")
            try:
                data = self._control.recv(65536)
            except TimeoutError:
                if clock.monotonic_ns() < deadline_ns:
                    continue
                data = b""
            except OSError:
                data = b""
            if not data:
                raise HarnessError("zygote: it ended, or said nothing in time; see the lines above")
            for message in lines.feed(data):
                return message

    def capabilities(self) -> frozenset[str]:
        """What worlds of this session can do; starts the zygote, which finds out."""
        self.prepare()
        limits = {"memory_limit"} if self._memory_limit else set()
        limits |= {"disk_limit"} if self._disk_limit else set()
        able = {"signals", "links", "processes", "memory_rlimit", "descriptor_limit", "liveness"}
        return frozenset(able | limits)

    def world(
        self,
        name: str,
        *,
        on_event: Callable[[ProcessEvent], None] = ignore_event,
        start_ns: int | None = None,
        folder: Path | None = None,
    ) -> ProcessWorld:
        """A world for one run, with a guardian of its own. `start_ns`: the run's zero; None: now.

        `folder` is where its scratch folder is made; None: the session's, and the one for many small
        files where those of dependencies lie.

        Raises `TargetError` when a module of `preload` cannot be imported, `HarnessError` when the
        guardian cannot be started.
        """
        capabilities = self.capabilities()
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            number = next(self._numbers)
            scratch = (folder or self.folder) / str(number)
            quick = (folder or self._quick_folder) / str(number)
            try:
                pid = self._fork_guardian(number, scratch, quick, theirs)
            except BaseException:
                ours.close()
                raise
            world = ProcessWorld(
                ours,
                run=name,
                scratch=scratch,
                quick=quick,
                guardian_pid=pid,
                capabilities=capabilities,
                on_event=on_event,
                start_ns=start_ns,
                interrupted=self._interrupted,
                shim=self._shim,
            )
            self._worlds.append(world)
        world.wait_up(_GUARDIAN_READY_WITHIN_S)
        return world

    def _fork_guardian(self, number: int, scratch: Path, quick: Path, theirs: socket.socket) -> int:
        if self._control is None:
            raise HarnessError("session is closed; make a new one")
        message = {"do": "guardian", "number": number, "scratch": str(scratch), "quick": str(quick)}
        try:
            socket.send_fds(self._control, [wire.encode(message)], [theirs.fileno()])
        except OSError:
            raise HarnessError("zygote: it has ended unasked; see the lines above") from None
        said = self._zygote_says(_GUARDIAN_READY_WITHIN_S)
        if "error" in said:
            raise HarnessError(f"guardian: {said['error']}")
        pid = said["guardian"]
        assert isinstance(pid, int)
        return pid

    def _dependencies(self) -> ProcessWorld:
        with self._lock:
            if self._shared is None:
                self._shared = self.world("dependencies", folder=self._quick_folder)
            return self._shared

    def postgres(self) -> Postgres:
        """The session's PostgreSQL, started by the first who asks. Raises `TargetError`."""
        with self._postgres_lock:
            if self._postgres is None:
                self._postgres = Postgres.start(self._dependencies())
            return self._postgres

    def emulator(self, name: EmulatorName = "ministack") -> Emulator:
        """The session's S3 and SQS endpoint, started by the first who asks. Raises `TargetError`."""
        with self._emulator_lock:
            if name not in self._emulators:
                self._emulators[name] = Emulator.start(self._dependencies(), name)
            return self._emulators[name]

    def once(self, key: str, make: Callable[[ProcessWorld], T]) -> T:
        """What `make` gave the first who asked for `key`; others wait for it. A failure is not kept.

        It gets the world of the session's dependencies: what it leaves there stays until `close`.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            if key not in self._made:
                self._made[key] = make(self._dependencies())
            made: T = self._made[key]
            return made

    def close(self) -> None:
        """Ends all worlds, dependencies and the zygote. Again and again is fine; bounded to 40 s."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for world in self._worlds:
                world.close()
            self._end_zygote()

    def _end_zygote(self) -> None:
        if self._zygote is None or self._control is None:
            return
        with contextlib.suppress(OSError):
            self._control.sendall(wire.encode({"do": "close"}))
        self._control.close()
        try:
            self._zygote.wait(_ZYGOTE_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._zygote.kill()  # its guardians see it and clean up (case 4 of `residue`)
            self._zygote.wait()
        self._zygote = self._control = None
        for folder in (self.folder, self._quick_folder):
            shutil.rmtree(folder, ignore_errors=True)  # nothing, unless the zygote was killed


def _zygote_environment() -> dict[str, str]:
    """Ours, with the modules that we see, and without the threads that numeric libraries start."""
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
