"""The process world: one run's processes, through the guardian that supervises them."""

from __future__ import annotations

import contextlib
import itertools
import queue
import signal as signals
import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from unstuck import clock
from unstuck.errors import CapabilityError, HarnessError, Interrupted, TargetError, UsageError, did_you_mean
from unstuck.worlds.port import ProcessEvent, ProcessSpec, Scheduler, Scope
from unstuck.worlds.process import proctree, wire
from unstuck.worlds.process.scheduler import ThreadScheduler
from unstuck.worlds.process.wall_clock import Shim, WallClocks

_ANSWER_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05  # how late whoever waits for a start notices an interruption
_CLOSE_WITHIN_S = 20.0
_SETTLE_MAX_S = 600.0
_PORTS = 2**16
T = TypeVar("T")

_SCOPES = ("main", "group", "tree", "child")


class ProcessWorld:
    """`World` on real processes. Every method may be called from several threads at once.

    `on_event` is called from the world's own reading thread, in order, and must not call the world
    back. `scratch` is a folder of the run's own that `close` removes, and so is `quick`, for files that
    are many and small: in memory where Linux has enough of it. Made by `Session.world`. Once
    `interrupted()`, a start that waits, or is asked for, raises `Interrupted`.
    """

    name: str = "process"

    def __init__(
        self,
        control: socket.socket,
        *,
        run: str,
        scratch: Path,
        quick: Path,
        guardian_pid: int,
        capabilities: frozenset[str],
        on_event: Callable[[ProcessEvent], None],
        start_ns: int | None,
        interrupted: Callable[[], bool] = lambda: False,
        shim: Shim | None = None,
    ) -> None:
        self.run = run
        self.scratch = scratch
        self.quick = quick
        self.guardian_pid = guardian_pid
        self.capabilities = capabilities
        self.scheduler: Scheduler = ThreadScheduler(start_ns)
        self._shim = shim
        self._clocks: WallClocks | None = None  # once they are prepared
        self._clock_roles: frozenset[str] = frozenset()
        self._control = control
        self._on_event = on_event
        self._interrupted = interrupted
        self._lock = threading.Lock()  # held for a send, and for the three tables below
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.SimpleQueue[Mapping[str, Any]]] = {}
        self._known: dict[int, proctree.Process] = {}  # who got a signal or was started, by pid
        self._exits: dict[str, queue.SimpleQueue[Mapping[str, Any]]] = {}
        self.taken_down = False  # `close` heard from the guardian that nothing of the run is left
        self._closed = False
        self._gone = False
        self._up = threading.Event()
        self._reader = threading.Thread(target=self._read, name=f"world {run}", daemon=True)
        self._reader.start()

    def wait_up(self, timeout_s: float) -> None:
        """Until the guardian works. Raises `HarnessError` when it does not in time."""
        if not self._up.wait(timeout_s) or self._gone:
            raise HarnessError(f"run={self.run!r}: its guardian did not start; see the lines above")

    # World

    def start(self, spec: ProcessSpec) -> None:
        self._check(spec)
        launch = wire.launch_of(spec)
        if self._clocks is not None and spec.role in self._clock_roles:
            extra = self._clocks.environment(spec.name, spec.environment)
            launch = replace(launch, environment={**spec.environment, **extra})
        timeout_s = spec.ready_timeout_s + spec.ready_settle_s + _ANSWER_WITHIN_S
        # A start may take seconds, and comes to nothing once all is to stop: `close` ends what has begun.
        launched = wire.launch_to_json(launch)
        error = self._ask("start", timeout_s, self._interrupted, launch=launched).get("error")
        if error is not None:
            raise TargetError(f"process {spec.name!r} (role {spec.role!r}): {error}")

    def stop(self, name: str, *, grace_s: float) -> None:
        self._ask("stop", grace_s + _ANSWER_WITHIN_S, name=name, grace_s=grace_s)

    def signal(self, name: str, signal: str, scope: Scope = "main") -> Sequence[int]:
        if signal not in signals.Signals.__members__:
            known = did_you_mean(signal, signals.Signals.__members__)
            raise UsageError(f"signal={signal!r} is no signal of this system.{known}")
        if scope not in _SCOPES:
            raise UsageError(f"scope={scope!r} is unknown.{did_you_mean(scope, _SCOPES)}")
        got = self._ask("signal", _ANSWER_WITHIN_S, name=name, signal=signal, scope=scope)["ok"]
        with self._lock:
            for pid, started in got:
                self._known[pid] = proctree.Process(pid, 0, 0, 0, "?", started)
        return [pid for pid, _ in got]

    def retire(self, name: str) -> None:
        self._ask("retire", _ANSWER_WITHIN_S, name=name)

    def wait_gone(self, name: str, pids: Sequence[int], timeout_s: float) -> bool:  # noqa: ARG002  the port's
        """As the port says. A pid is the process that had it when it was started or last signalled."""
        with self._lock:
            known = [self._known.get(pid) or proctree.read(pid) for pid in pids]
        return proctree.wait_gone([process for process in known if process is not None], timeout_s)

    def running(self, role: str) -> Sequence[str]:
        names: list[str] = self._ask("running", _ANSWER_WITHIN_S, role=role)["ok"]
        return names

    def close(self) -> None:
        """Stops everything at once and removes the run's folder. Again and again is fine."""
        with self._lock:
            first, self._closed = not self._closed, True
        if first and not self._gone:
            with contextlib.suppress(HarnessError):  # a guardian that died has nothing left to close
                self._ask("close", _CLOSE_WITHIN_S)
                self.taken_down = True
        self._reader.join(_CLOSE_WITHIN_S)
        self._control.close()
        if self._clocks is not None:
            self._clocks.close()

    # Clocks

    def prepare_clocks(self, roles: Collection[str]) -> None:
        if self._shim is None:
            raise CapabilityError(f"run={self.run!r}: its processes cannot have clocks of their own")
        self._clocks = self._clocks or WallClocks(self._shim.path(), self.scratch)
        self._clock_roles |= frozenset(roles)
        self.capabilities |= {"clocks"}

    def set_clock(self, name: str, *, offset_s: float, drift_ppm: float) -> bool:
        return self._clocks is not None and self._clocks.set(name, offset_s=offset_s, drift_ppm=drift_ppm)

    def clock_is_read(self, name: str) -> bool:
        return self._clocks is not None and self._clocks.is_seen(name)

    # Disks

    def fill_disk(self, name: str) -> tuple[int, int] | None:
        done = self._ask("fill_disk", _ANSWER_WITHIN_S, name=name)["ok"]
        return None if done is None else (int(done[0]), int(done[1]))

    def free_disk(self, name: str) -> None:
        self._ask("free_disk", _ANSWER_WITHIN_S, name=name)

    # Beyond the port, for dependencies

    def run_to_end(self, spec: ProcessSpec, timeout_s: float) -> Mapping[str, Any]:
        """Starts a program that ends by itself; the facts of its exit (`code`, `signal`, …).

        Raises `TargetError` when it cannot start or still runs after `timeout_s`: then it is stopped;
        `Interrupted` as `start` does.
        """
        exits: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._exits[spec.name] = exits
        try:
            self.start(spec)
            return wait_for(exits, timeout_s, self._interrupted)
        except queue.Empty:
            self.stop(spec.name, grace_s=0)
            raise TargetError(f"process {spec.name!r}: has not ended after {timeout_s:g} s") from None
        finally:
            with self._lock:
                self._exits.pop(spec.name, None)

    # Inside

    @staticmethod
    def _check(spec: ProcessSpec) -> None:
        if (spec.entry is None) == (spec.command is None or not spec.command):
            raise UsageError(f"process {spec.name!r}: give exactly one of entry and command")
        if spec.entry is not None and spec.entry.count(":") != 1:
            raise UsageError(f"process {spec.name!r}: entry={spec.entry!r} must be module:function")
        if spec.stop_signal not in signals.Signals.__members__:
            known = did_you_mean(spec.stop_signal, signals.Signals.__members__)
            raise UsageError(f"process {spec.name!r}: stop_signal={spec.stop_signal!r} is no signal.{known}")
        if spec.ready_port is not None and not 0 < spec.ready_port < _PORTS:
            raise UsageError(
                f"process {spec.name!r}: ready_port={spec.ready_port!r} must be 1 to {_PORTS - 1}"
            )
        if not 0 <= spec.ready_settle_s <= _SETTLE_MAX_S:
            raise UsageError(
                f"process {spec.name!r}: ready_settle_s={spec.ready_settle_s!r} "
                f"must be 0 to {_SETTLE_MAX_S:g}"
            )

    def _ask(
        self, do: str, timeout_s: float, interrupted: Callable[[], bool] = lambda: False, **values: Any
    ) -> Mapping[str, Any]:
        """Sends and waits for the answer.

        Raises `HarnessError` when the guardian is gone or mute, `Interrupted` once `interrupted()`.
        """
        answer: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        with self._lock:
            if self._gone:
                raise self._lost()
            number = next(self._numbers)
            self._answers[number] = answer
            try:
                self._control.sendall(wire.encode({"id": number, "do": do, **values}))
            except OSError:
                del self._answers[number]
                raise self._lost() from None
        try:
            reply = wait_for(answer, timeout_s, interrupted)
        except queue.Empty:
            raise HarnessError(
                f"run={self.run!r}: its guardian gave no answer to {do!r} within {timeout_s:g} s"
            ) from None
        finally:
            with self._lock:
                self._answers.pop(number, None)
        if "gone" in reply:
            raise self._lost()
        return reply

    def _lost(self) -> HarnessError:
        how = "is closed" if self._closed else "has ended unasked"
        return HarnessError(
            f"run={self.run!r}: its guardian (pid {self.guardian_pid}) {how}; start a new run"
        )

    def _read(self) -> None:
        lines = wire.Lines()
        while True:
            try:
                data = self._control.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            for message in lines.feed(data):
                self._deliver(message)
        with self._lock:
            self._gone = True
            waiting = list(self._answers.values())
        for answer in waiting:
            answer.put({"gone": True})
        self._up.set()

    def _deliver(self, message: Mapping[str, Any]) -> None:
        if "id" in message:
            with self._lock:
                answer = self._answers.get(message["id"])
            if answer is not None:
                answer.put(message)
        elif message["event"] is None:
            self._up.set()
        else:
            self._tell(ProcessEvent(**message["event"]))

    def _tell(self, event: ProcessEvent) -> None:
        if event.phase == "start":
            process = proctree.read(event.data["pid"])
            with self._lock:
                if process is not None:
                    self._known[process.pid] = process
        if event.phase == "exit":
            with self._lock:
                exits = self._exits.get(event.name)
            if exits is not None:
                exits.put(event.data)
        self._on_event(event)


def wait_for(items: queue.SimpleQueue[T], timeout_s: float, interrupted: Callable[[], bool]) -> T:
    """The next item. Raises `queue.Empty` after `timeout_s`, `Interrupted` soon after `interrupted()`."""
    deadline_ns = clock.monotonic_ns() + int(timeout_s * 1e9)
    while True:
        if interrupted():
            raise Interrupted("interrupted while something was starting")
        left_s = (deadline_ns - clock.monotonic_ns()) / 1e9
        try:
            return items.get(timeout=max(0.0, min(left_s, LOOK_EVERY_S)))
        except queue.Empty:
            if left_s <= LOOK_EVERY_S:
                raise


def ignore_event(_: ProcessEvent) -> None:
    """For runs whose events nobody records."""
