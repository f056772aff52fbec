"""The sim world: the processes of one run as greenlets under virtual time, supervised as real ones are.

What a process runs is a plain function, found by its spec's `entry` in `programs`, which whoever brings
the service fills in. There is no memory to limit here, and no wire to meddle with.
"""

from __future__ import annotations

import itertools
import signal as signals
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

from unstuck.errors import TargetError, UnstuckError, UsageError, did_you_mean
from unstuck.rng import split
from unstuck.worlds.port import ProcessEvent, ProcessSpec, Scheduler, Scope
from unstuck.worlds.restarts import restart_after
from unstuck.worlds.sim import scratch
from unstuck.worlds.sim.incarnation import FATAL, KILLED, STOPPED, Incarnation
from unstuck.worlds.sim.scheduler import NS, GreenScheduler

State = Literal["starting", "running", "stopping", "waiting", "ended"]
FIRST_PID = 1001
START_UP_S = (0.005, 0.03)  # from exec to the first line of the program


class SimProcess:
    """One process of a role, from its first incarnation to its last."""

    def __init__(self, spec: ProcessSpec, order: int) -> None:
        self.spec = spec
        self.order = order
        self.state: State = "starting"
        self.starts = 0
        self.retired = False
        self.was_ready = False  # ever
        self.signalled = False  # by the harness, fatally, in the present incarnation
        self.struck = False  # so, or frozen, in any incarnation that was not ready
        self.grace_s = 0.0
        self.stopped_ns = self.started_ns = 0
        self.incarnation: Incarnation

    @property
    def alive(self) -> bool:
        return self.state in {"starting", "running", "stopping"}


Program = Callable[[SimProcess, Callable[[], None]], int]
"""Lives in the process's present incarnation, calls the second argument once ready; its exit code."""


class SimWorld:
    """`World` in one thread, for the greenlet that made it. `close` leaves nothing behind.

    `on_event` gets stamps of the virtual clock, which is zero when the world is made.
    """

    name = "sim"
    capabilities = frozenset({"processes", "signals"})

    def __init__(self, seed: int, on_event: Callable[[ProcessEvent], None]) -> None:
        self.seed = seed
        self.green = GreenScheduler(seed)
        self.scheduler: Scheduler = self.green
        self.scratch = scratch.make()  # `close` removes it
        self.programs: dict[str, Program] = {}
        self._on_event = on_event
        self._processes: dict[str, SimProcess] = {}
        self._incarnations: dict[int, Incarnation] = {}
        self._pids = itertools.count(FIRST_PID)
        self._orders = itertools.count(1)
        self._moved = self.green.bell("a process to start or end")
        self._error: UnstuckError | None = None

    # World

    def start(self, spec: ProcessSpec) -> None:
        known = self._processes.get(spec.name)
        if known is not None and known.state != "ended":
            raise TargetError(f"process {spec.name!r}: is running already; choose another name")
        if spec.entry not in self.programs:
            hint = did_you_mean(str(spec.entry), self.programs)
            raise UsageError(f"process {spec.name!r}: entry={spec.entry!r} is no program of the sim.{hint}")
        process = self._processes[spec.name] = SimProcess(spec, next(self._orders))
        self._launch(process)
        if not self._moved.until(lambda: process.was_ready or process.state == "ended", spec.ready_timeout_s):
            if not process.struck:
                self.retire(spec.name)
            if not process.struck or self._is_late(process):
                process.incarnation.end(signal=KILLED)
            raise TargetError(f"process {spec.name!r}: not ready within {spec.ready_timeout_s:g} s")
        if self._error is not None:
            raise self._error
        if process.state == "ended" and not process.was_ready:
            code, number = process.incarnation.code, process.incarnation.signal
            raise TargetError(f"process {spec.name!r}: died (code={code!r}, signal={number!r}) unready")

    def stop(self, name: str, *, grace_s: float) -> None:
        process = self._processes.get(name)
        if process is None:
            return
        self.retire(name)
        if not process.alive:
            return
        life = process.incarnation
        process.state, process.grace_s = "stopping", grace_s
        process.stopped_ns = self.scheduler.now_ns()
        self._tell_signal(process, process.spec.stop_signal, "main", [life.pid])
        life.send(process.spec.stop_signal)
        if not self._moved.until(lambda: life.dead, grace_s):
            life.end(signal=KILLED)

    def signal(self, name: str, signal: str, scope: Scope = "main") -> Sequence[int]:
        if signal not in signals.Signals.__members__:
            known = did_you_mean(signal, signals.Signals.__members__)
            raise UsageError(f"signal={signal!r} is no signal of this system.{known}")
        if scope not in get_args(Scope):
            raise UsageError(f"scope={scope!r} is unknown.{did_you_mean(scope, get_args(Scope))}")
        process = self._processes.get(name)
        if process is None or not process.alive:
            return []
        life = process.incarnation
        chosen = (
            life.tree if scope in {"group", "tree"} else life.children[-1:] if scope == "child" else [life]
        )
        process.signalled = process.signalled or (scope != "child" and signal in FATAL | {KILLED})
        blow = scope != "child" and signal in FATAL | {KILLED, STOPPED}
        process.struck = process.struck or (blow and process.state == "starting")
        pids = [one.pid for one in chosen]
        self._tell_signal(process, signal, scope, pids)
        for one in chosen:
            one.send(signal)
        return pids

    def retire(self, name: str) -> None:
        process = self._processes.get(name)
        if process is not None:
            process.retired = True
            if process.state == "waiting":
                process.state = "ended"
                self._moved.ring()  # somebody may wait for its start

    def wait_gone(self, name: str, pids: Sequence[int], timeout_s: float) -> bool:  # noqa: ARG002  the port's
        lives = [self._incarnations[pid] for pid in pids if pid in self._incarnations]
        return self._moved.until(lambda: all(life.dead for life in lives), timeout_s)

    def running(self, role: str) -> Sequence[str]:
        ours = [one for one in self._processes.values() if one.spec.role == role and one.alive]
        return [one.spec.name for one in sorted(ours, key=lambda one: one.order)]

    def close(self) -> None:
        """Kills everything at once and unwinds it without effect. Idempotent.

        Raises `HarnessError` when a task of the harness ended by an error that nobody has heard of, and
        what a process met that was no doing of the service.
        """
        for process in self._processes.values():
            process.retired = True
            if process.state == "waiting":
                process.state = "ended"
            elif process.alive:
                process.incarnation.end(signal=KILLED)
        try:
            self.green.close()
        finally:
            scratch.remove(self.scratch)
        error, self._error = self._error, None
        if error is not None:
            raise error

    # For the target

    def life_of(self, name: str) -> Incarnation | None:
        """The living incarnation of a process; None when it has none."""
        process = self._processes.get(name)
        return process.incarnation if process is not None and process.alive else None

    def fork(self, parent: Incarnation) -> Incarnation:
        """A child of `parent` with a pid of its own, in which nothing runs yet."""
        child = Incarnation(parent.name, next(self._pids), parent)
        self._incarnations[child.pid] = child
        child.when_ended(self._moved.ring)
        return child

    def blame(self, error: UnstuckError) -> None:
        """A process met an error of ours: no doing of the service. The first is raised by `close`."""
        self._error = self._error or error

    # Inside

    def _launch(self, process: SimProcess) -> None:
        spec, scheduler = process.spec, self.green
        life = process.incarnation = Incarnation(spec.name, next(self._pids))
        self._incarnations[life.pid] = life
        process.starts += 1
        process.state, process.signalled = "starting", False
        process.started_ns = scheduler.now_ns()
        life.when_ended(partial(self._exited, process, life))
        self._tell(process, "start", {"pid": life.pid, "version": spec.version, "how": "sim"})
        start_up_s = split(self.seed, "start", spec.name, process.starts).uniform(*START_UP_S)

        def run() -> None:
            scheduler.sleep(start_up_s)
            try:
                code = self.programs[str(spec.entry)](process, partial(self._become_ready, process))
            except UnstuckError as error:  # ours: a service cannot raise it
                self.blame(error)
                code = 70
            except Exception as error:  # noqa: BLE001  it ends the process, as an uncaught exception does
                process.incarnation.problem = f"{type(error).__name__}: {error}"
                code = 1
            life.end(code=code)

        scheduler.spawn(spec.name, run, owner=life)

    def _is_late(self, process: SimProcess) -> bool:
        """Whether its present incarnation had all the time that it has to get ready."""
        age_s = (self.scheduler.now_ns() - process.started_ns) / NS
        return process.state == "starting" and age_s >= process.spec.ready_timeout_s

    def _become_ready(self, process: SimProcess) -> None:
        if process.state == "starting":
            process.state, process.was_ready = "running", True
            after_s = (self.scheduler.now_ns() - process.started_ns) / NS
            self._tell(process, "ready", {"pid": process.incarnation.pid, "after_s": after_s})
            self._moved.ring()

    def _exited(self, process: SimProcess, life: Incarnation) -> None:
        was, process.state = process.state, "ended"
        data: dict[str, Any] = {"pid": life.pid, "code": life.code, "signal": life.signal}
        data["expected"] = was == "stopping" or process.retired or process.signalled
        if was == "stopping":
            data["grace_s"] = process.grace_s
            data["took_s"] = (self.scheduler.now_ns() - process.stopped_ns) / NS
        if life.problem is not None:
            data["problem"] = life.problem
        # Whoever asked for the first start hears that it failed, unless that was a blow of ours.
        failed = not process.was_ready and not process.struck
        asked = was == "stopping" or process.retired or failed
        restart = process.spec.restart
        delay_s, reason = restart_after(restart, code=life.code, starts=process.starts, asked=asked)
        if delay_s is None:
            data["restart"] = reason
        else:
            process.state = "waiting"
            self.green.spawn(f"restart {life.name}", partial(self._restart, process, delay_s))
        self._tell(process, "exit", data)
        self._moved.ring()

    def _restart(self, process: SimProcess, delay_s: float) -> None:
        self.scheduler.sleep(delay_s)
        if process.state == "waiting":
            self._tell(process, "restart", {"number": process.starts})
            self._launch(process)

    def _tell_signal(self, process: SimProcess, signal: str, scope: Scope, pids: Sequence[int]) -> None:
        self._tell(process, "signal", {"signal": signal, "scope": scope, "sent_to": list(pids)})

    def _tell(self, process: SimProcess, phase: Any, data: Mapping[str, Any]) -> None:
        spec = process.spec
        self._on_event(
            ProcessEvent(
                name=spec.name, role=spec.role, phase=phase, at_ns=self.scheduler.now_ns(), data=dict(data)
            )
        )
