"""One supervised process: its incarnations, readiness, stop and restarts. Runs in the guardian.

starting ──ready──▶ running ──exit──▶ waiting (for its restart) ──▶ starting …
    │                  │                                             or ▶ ended
    └──────── stop ────┴──▶ stopping ──exit, or SIGKILL after the grace──▶ ended
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from unstuck import clock
from unstuck.worlds.process import cgroups, companion, liveness, logs, proctree, readiness, spawn, usage
from unstuck.worlds.process.ports import LOOPBACK, is_answered
from unstuck.worlds.process.signals import exit_of
from unstuck.worlds.process.wire import Launch
from unstuck.worlds.restarts import restart_after

Emit = Callable[[str, str, str, Mapping[str, Any]], None]  # name, role, phase, data
State = Literal["starting", "running", "stopping", "waiting", "ended"]

_FATAL = frozenset({"SIGTERM", "SIGINT", "SIGQUIT", "SIGKILL", "SIGHUP", "SIGABRT"})
_PORT_TAKEN = re.compile(r"already in use|EADDRINUSE|could not bind", re.IGNORECASE)
_STOPPED = "was stopped before it was ready"


class Supervised:
    """State of one process of a role. The guardian calls `exited` and, when `next_at_ns` is due, `tick`.

    `reply_start` and `reply_stop` are answered once, with None or with the text of an error. Once a signal of
    the harness has ended a first start, it is restarted as one that was ready before would be; `reply_start`
    waits for it until the time of the first start is over.
    """

    def __init__(
        self,
        launch: Launch,
        *,
        log: str,
        emit: Emit,
        kill_left_over: Callable[[], None],
        packages: frozenset[str],
        groups: cgroups.Parent | None,
        group_prefix: str,
    ) -> None:
        self.launch = launch
        self.state: State = "ended"
        self.pid = 0
        self.order = 0  # of the present incarnation, among all of the run
        self.reply_start: Callable[[str | None], None] | None = None
        self.reply_stop: list[Callable[[str | None], None]] = []
        self.retired = False
        self._log = log
        self._emit = emit
        self._kill_left_over = kill_left_over
        self._packages = packages
        self._groups = groups
        self._group_name = group_prefix + re.sub(r"[^\w-]", "_", launch.name)
        self._group: usage.Group | None = None
        self._starts = 0
        self._signalled = False  # by the harness, fatally, in the present incarnation
        self._struck = False  # so, or frozen, in any incarnation that was not ready
        self._late = False  # not ready in time
        self._meter: usage.Meter | None = None  # of the present incarnation
        self._probe: readiness.Probe | None = None
        self._pauses = readiness.Pauses()
        self._log_offset = 0
        self._started_ns = self._stopped_ns = 0
        self._give_up_at_ns = 0  # of who waits for the first start
        self._probe_at_ns = self._ready_by_ns = self._kill_at_ns = self._restart_at_ns = 0
        self._sample_at_ns = 0
        self._log_at_ns = 0
        self._log_dropped = 0  # bytes
        self._grace_s = 0.0
        self._liveness: liveness.Liveness | None = None
        self._unlive = False  # killed for it, in the present incarnation

    # Starting

    def start(self) -> None:
        """Starts the first or the next incarnation. Raises `SpawnError`: then nothing runs."""
        launch = self.launch
        self._check_port()
        self._log_offset = logs.size_of(self._log)
        started_ns = clock.monotonic_ns()
        how = self._spawn()
        now_ns = clock.monotonic_ns()
        self._starts += 1
        if self._starts == 1:
            self._give_up_at_ns = now_ns + int((launch.ready_timeout_s + launch.ready_settle_s) * 1e9)
        self._signalled = self._late = self._unlive = False
        self._meter = usage.Meter(
            self.pid,
            launch.memory_limit_bytes,
            self._group,
            self.tree_pids,
            limited_by=launch.memory_limited_by,
        )
        self._started_ns, self._sample_at_ns = started_ns, now_ns + self._meter.every_ns
        self._log_at_ns = now_ns + logs.CHECK_EVERY_NS
        self.state = "starting"
        self._tell(
            "start", {"pid": self.pid, "version": launch.version, "how": how, **self._meter.limit_facts()}
        )
        self._await_ready(now_ns)

    def _spawn(self) -> str:
        """Makes the memory group and the process; how it was made. Raises `SpawnError`."""
        launch = self.launch
        how = spawn.how_to_start(launch, self._packages)
        group = None
        if launch.memory_limit_bytes is not None and self._groups is not None:
            try:
                group = cgroups.MemoryGroup(self._groups, self._group_name, launch.memory_limit_bytes)
            except OSError as error:
                raise spawn.SpawnError(
                    f"memory_limit_bytes={launch.memory_limit_bytes!r}: {error}"
                ) from error
        self._group = group
        try:
            self.pid = spawn.spawn(launch, self._log, how, group)
        except spawn.SpawnError:
            self._remove_group()
            raise
        return how

    def _deliver(self, number: int) -> None:
        """Signals the process itself, which lives or has not been reaped: nobody else can have its pid."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _check_port(self) -> None:
        """A stranger on the port would answer for a process that cannot even bind it."""
        launch = self.launch
        if self._starts > 0:
            return
        address = None if launch.ready_port is None else (LOOPBACK, launch.ready_port)
        if launch.ready_url is not None:
            address = readiness.loopback_address(launch.ready_url)
            if address is None:
                raise spawn.SpawnError(
                    f"ready_url={launch.ready_url!r} must be http on 127.0.0.1; mend the target"
                )
        if address is not None and is_answered(*address):
            raise spawn.SpawnError(f"its port is taken: somebody already answers on {address[1]}; free it")

    def _await_ready(self, now_ns: int) -> None:
        launch = self.launch
        if launch.ready_url is not None:
            self._probe = readiness.UrlProbe(launch.ready_url)
        elif launch.ready_line is not None:
            self._probe = readiness.LineProbe(self._log, self._log_offset, launch.ready_line)
        elif launch.ready_port is not None:
            self._probe = readiness.PortProbe(launch.ready_port)
        else:
            self._settle(now_ns)
            return
        self._pauses = readiness.Pauses()
        self._probe_at_ns = now_ns + self._pauses.next_ns()
        self._ready_by_ns = now_ns + int(launch.ready_timeout_s * 1e9)

    def _settle(self, now_ns: int) -> None:
        """It says that it is ready: it is, once it has lived for so long as was asked."""
        self._drop_probe()
        if self.launch.ready_settle_s <= 0:
            self._become_ready()
            return
        self._probe_at_ns = now_ns + int(self.launch.ready_settle_s * 1e9)
        self._ready_by_ns = self._probe_at_ns + 1  # never due before: the wait is not for it to get ready

    def _become_ready(self) -> None:
        self._drop_probe()
        self.state = "running"
        self._liveness = liveness.of(self.launch, clock.monotonic_ns())
        self._tell("ready", {"pid": self.pid, "after_s": self._age_s()})
        self._answer_start(None)

    def _drop_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    # Time

    @property
    def alive(self) -> bool:
        return self.state in {"starting", "running", "stopping"}

    def next_at_ns(self) -> int | None:
        """When `tick` has something to do; None: not before something happens."""
        if not self.alive and self.state != "waiting":
            return None
        due = [self._give_up_at_ns] if self._struck and self.reply_start is not None else []
        due += [self._restart_at_ns] if self.state == "waiting" else [self._sample_at_ns, self._log_at_ns]
        if self.state == "starting":
            due += [self._probe_at_ns, self._ready_by_ns]
        if self.state == "running" and self._liveness is not None:
            due.append(self._liveness.due_at_ns)
        if self.state == "stopping":
            due.append(self._kill_at_ns)
        return min(due)

    def tick(self, now_ns: int) -> None:
        self._give_up_waiting(now_ns)
        if self.state == "waiting":
            if now_ns >= self._restart_at_ns:
                self._start_again()
            return
        if self.alive and now_ns >= self._sample_at_ns:
            self._sample(now_ns)
        if self.alive and now_ns >= self._log_at_ns:
            self._cut_log(now_ns)
        if self.state == "starting" and now_ns >= self._probe_at_ns:
            if self._probe is None:  # it has settled
                self._become_ready()
            elif proctree.lives(self.pid) and self._probe.ready():  # not what it left in the background
                self._settle(now_ns)
            else:
                self._probe_at_ns = now_ns + self._pauses.next_ns()
        if self.state == "starting" and now_ns >= self._ready_by_ns:
            self._late = True
            self.kill()  # `exited` follows, and tells why
            self._ready_by_ns = self._probe_at_ns = now_ns + 1_000_000_000
        self._look_whether_it_lives(now_ns)
        if self.state == "stopping" and now_ns >= self._kill_at_ns:
            self.kill()
            self._kill_at_ns = now_ns + 1_000_000_000

    def _give_up_waiting(self, now_ns: int) -> None:
        if self._struck and now_ns >= self._give_up_at_ns:
            self._answer_start("was hit by a signal of ours, and was not ready again in time")

    def _look_whether_it_lives(self, now_ns: int) -> None:
        if self.state == "running" and self._liveness is not None and not self._liveness.look(now_ns):
            self._unlive = True
            self.kill()  # `exited` follows

    def _start_again(self) -> None:
        self._tell("restart", {"number": self._starts})
        try:
            self.start()
        except spawn.SpawnError as error:
            self.state = "ended"
            self._tell("exit", {"expected": False, "problem": str(error), "restart": None})
            self._answer_start(str(error))

    # Ending

    def stop(self, grace_s: float) -> None:
        """Asks it to end; SIGKILL follows after the grace. `reply_stop` is answered when it is gone."""
        self.retired = True
        if self.state == "waiting":
            self.state = "ended"
            self._answer_start(_STOPPED)
        if not self.alive:
            self._answer_stop()
            return
        self._peak()
        self._drop_probe()
        self.state = "stopping"
        self._grace_s = grace_s
        self._stopped_ns = clock.monotonic_ns()
        self._kill_at_ns = self._stopped_ns + int(grace_s * 1e9)
        self._deliver(getattr(signal, self.launch.stop_signal))
        self._tell("signal", {"signal": self.launch.stop_signal, "scope": "main", "sent_to": [self.pid]})

    def kill(self) -> None:
        """SIGKILL for the process; its descendants follow when its exit is seen."""
        if self.alive:
            self._peak()
            self._deliver(signal.SIGKILL)

    def signalled(self, name: str) -> None:
        """The harness sent a signal to the process itself: an exit that follows was expected."""
        self._signalled = self._signalled or name in _FATAL
        self._struck = self._struck or (self.state == "starting" and name in {*_FATAL, "SIGSTOP"})
        self._peak()

    def exited(self, status: int) -> None:
        """It has been reaped with this wait status: kills what it left, tells, restarts or ends."""
        now_ns = clock.monotonic_ns()
        code, number = exit_of(status)
        said = isinstance(self._probe, readiness.LineProbe) and self._probe.ready()
        if self.state == "starting" and said and (code != 0 or self._signalled):
            self._settle(now_ns)  # it said so, and ended before we looked; unasked, with 0: in the background
        was, self.state = self.state, "ended"
        problem = self._start_problem(code, number) if was == "starting" else None
        if self.launch.companion is not None:
            companion.kill(Path(self.launch.companion))
        self._kill_left_over()
        self._drop_probe()
        if self._liveness is not None:
            self._liveness.close()
            self._liveness = None
        data = self._exit_facts(code, number, was, now_ns)
        # Whoever asked for the first start hears that it failed, unless that was a blow of ours.
        asked = was == "stopping" or self.retired or (self.reply_start is not None and not self._struck)
        delay_s, reason = restart_after(self.launch.restart, code=code, starts=self._starts, asked=asked)
        self._remove_group()  # the next incarnation is counted from nothing
        if delay_s is None:
            data["restart"] = reason
        else:
            self.state = "waiting"
            self._restart_at_ns = now_ns + int(delay_s * 1e9)
        self._tell("exit", data)
        if self.state == "ended":
            self._answer_start(problem or _STOPPED)
        self._answer_stop()

    def _exit_facts(self, code: int | None, number: str | None, was: State, now_ns: int) -> dict[str, Any]:
        data: dict[str, Any] = {"pid": self.pid, "code": code, "signal": number}
        data["expected"] = was == "stopping" or self.retired or self._signalled
        if was == "stopping":
            data |= {"grace_s": self._grace_s, "took_s": (now_ns - self._stopped_ns) / 1e9}
        if self._unlive:
            data["unlive"] = True  # it did not answer its liveness probe, and was killed for that
        assert self._meter is not None
        kills = self._meter.oom_kills()
        if kills is not None:
            data["oom_kills"] = kills
        facts = self._meter.at_the_end()
        if facts is not None:
            self._tell("usage", facts)
        return data

    def _start_problem(self, code: int | None, number: str | None) -> str:
        """Why it was not ready, with the end of its log, on one line."""
        launch, tail = self.launch, readiness.log_tail(self._log, self._log_offset)
        how = f"with code {code}" if number is None else f"by {number}"
        if self._late:
            given = [name for name in ("ready_url", "ready_line", "ready_port") if getattr(launch, name)]
            wanted = f"{given[0]}={getattr(launch, given[0])!r}"
            text = f"not ready within ready_timeout_s={launch.ready_timeout_s:g} ({wanted}); mend or raise it"
        elif _PORT_TAKEN.search(tail):
            text = f"died {how} after {self._age_s():.2f} s: its port is taken; free it or choose another"
        else:
            text = f"died {how} after {self._age_s():.2f} s, before it was ready"
            if code == 0:
                text += " (if it goes into the background: run it in the foreground)"
            if self._probe is None and launch.ready_settle_s > 0:
                text += f" (it has to live for ready_settle_s={launch.ready_settle_s:g} after it says so)"
        return f"{text}. Its log ends: {tail}" if tail else f"{text}. Its log is empty"

    def _answer_start(self, error: str | None) -> None:
        reply, self.reply_start = self.reply_start, None
        if reply is not None:
            reply(error)

    def _answer_stop(self) -> None:
        for reply in self.reply_stop:
            reply(None)
        self.reply_stop.clear()

    def _remove_group(self) -> None:
        if self._group is not None:
            self._group.remove()
            self._group = None

    # Small things

    def _sample(self, now_ns: int) -> None:
        assert self._meter is not None
        self._sample_at_ns = now_ns + self._meter.every_ns
        facts = self._meter.sample()
        if facts is not None:
            self._tell("usage", facts)

    def _cut_log(self, now_ns: int) -> None:
        self._log_at_ns = now_ns + logs.CHECK_EVERY_NS
        with contextlib.suppress(
            OSError
        ):  # removed by somebody, or on a disk that is full: it has no end then
            cut = logs.cut_down(self._log, self._log_dropped)
            if cut is not None:
                self._log_dropped = cut.dropped
                self._log_offset = cut.place_of(self._log_offset)
                if isinstance(self._probe, readiness.LineProbe):
                    self._probe.was_cut(cut)

    def _peak(self) -> None:
        if self.alive and self._meter is not None:
            self._meter.note_peak()

    def tree_pids(self) -> list[int]:
        """The process and all its descendants; it adopts their orphans, so none hides elsewhere."""
        found = proctree.descendants(self.pid, proctree.snapshot())
        return [self.pid, *(process.pid for process in found if process.alive)]

    def _age_s(self) -> float:
        return (clock.monotonic_ns() - self._started_ns) / 1e9

    def _tell(self, phase: str, data: Mapping[str, Any]) -> None:
        self._emit(self.launch.name, self.launch.role, phase, data)
