"""The guardian of one run: starts its processes, supervises them, and takes all away at the end.

A single thread around one selector. It is forked from the zygote, adopts every orphan of the run,
and ends when the harness asks, when the harness is gone, or when the zygote is gone.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from unstuck import clock
from unstuck.worlds.port import Scope
from unstuck.worlds.process import cgroups, companion, disks, linux, proctree, residue, spawn, wire
from unstuck.worlds.process.signals import send_to_scope
from unstuck.worlds.process.supervisor import Supervised

_TICK_NS = 500_000_000  # how late the zygote's death may be noticed
_QUICK_STOP_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a guardian is given: the folder that it makes and removes, and the names of its groups."""

    scratch: Path
    quick: Path  # a second one, for files that are many and small; may be the same
    session: Path  # where runs lie, and what the harness keeps; the dependencies lie elsewhere
    group_prefix: str
    groups: cgroups.Parent | None
    packages: frozenset[str]
    zygote_pid: int
    harness: int | None  # a pid handle that becomes readable when the harness has ended


class Guardian:
    def __init__(self, control: socket.socket, charge: Charge) -> None:
        self._control = control
        self._charge = charge
        self._supervised: dict[str, Supervised] = {}
        self._ended: list[tuple[int, int]] = []  # (pid, wait status), reaped and not yet acted on
        self._lines = wire.Lines()
        self._outgoing = b""
        self._starts = 0
        self._closing: int | None = None  # the request that asked us to end
        self._alone = False  # nobody is left to talk to
        self._selector = selectors.DefaultSelector()

    def run(self) -> NoReturn:
        """Never returns: ends the process, with nothing of the run left."""
        linux.become_subreaper()
        for folder in (self._charge.scratch, self._charge.quick):
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # others see no files
            folder.mkdir(exist_ok=True)
        wakeup = self._prepare_signals()
        self._control.settimeout(0)
        self._selector.register(self._control, selectors.EVENT_READ, self._read)
        self._selector.register(wakeup, selectors.EVENT_READ, lambda: self._drain(wakeup))
        if self._charge.harness is not None:
            self._selector.register(self._charge.harness, selectors.EVENT_READ, self._leave)
        self._send({"event": None})  # up: the folder is there, orphans are ours
        while self._closing is None and not self._alone:
            self._turn()
        self._take_all_away()
        os._exit(0)

    def _prepare_signals(self) -> socket.socket:
        """SIGCHLD wakes the selector; SIGTERM and SIGINT end the run as the harness's end would."""
        reader, writer = socket.socketpair()
        reader.settimeout(0)
        writer.settimeout(0)
        self._wakeup_writer = writer  # kept open as long as we live
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        for number in ends:
            signal.signal(number, lambda *_: self._leave())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)  # the zygote holds them until we can hear them
        return reader

    def _leave(self) -> None:
        self._alone = True

    def _wake(self) -> None:
        """Makes the loop turn; from any thread. A full buffer means that it will."""
        with contextlib.suppress(BlockingIOError):
            self._wakeup_writer.send(b"\0")

    @staticmethod
    def _drain(wakeup: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while wakeup.recv(4096):
                pass

    # One turn of the loop

    def _turn(self) -> None:
        now_ns = clock.monotonic_ns()
        due = [at_ns for one in self._supervised.values() if (at_ns := one.next_at_ns()) is not None]
        timeout_s = max(0, min([_TICK_NS, *(at_ns - now_ns for at_ns in due)])) / 1e9
        for key, mask in self._selector.select(timeout_s):
            if key.fileobj is self._control and mask & selectors.EVENT_WRITE:
                self._flush()
            if mask & selectors.EVENT_READ:
                key.data()
        if os.getppid() != self._charge.zygote_pid:
            self._leave()
            return
        self._reap()
        self._act_on_ended()
        now_ns = clock.monotonic_ns()
        for one in list(self._supervised.values()):
            at_ns = one.next_at_ns()
            if at_ns is not None and at_ns <= now_ns:
                one.tick(now_ns)

    def _reap(self) -> None:
        """Collects children that ended. Orphans whom we adopted are nobody's business any more."""
        mains = {one.pid for one in self._supervised.values() if one.alive}
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid in mains:
                    self._ended.append((pid, status))

    def _act_on_ended(self) -> None:
        while self._ended:
            pid, status = self._ended.pop(0)
            for one in self._supervised.values():
                if one.alive and one.pid == pid:
                    one.exited(status)
                    break

    def _kill_left_over(self) -> None:
        """Kills what a process left that has just ended (case 3 of `residue`)."""
        residue.kill_until_none(self._living, self._reap, timeout_s=2.0)

    def _living(self) -> list[int]:
        ended = {pid for pid, _ in self._ended}
        return [one.pid for one in self._supervised.values() if one.alive and one.pid not in ended]

    # Talking to the harness

    def _read(self) -> None:
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave()
            return
        for message in self._lines.feed(data):
            self._handle(message)

    def _send(self, message: Mapping[str, Any]) -> None:
        self._outgoing += wire.encode(message)
        self._flush()

    def _flush(self) -> None:
        """Writes what the socket takes now: a harness that is slow must not stop the supervisor."""
        try:
            while self._outgoing:
                sent = self._control.send(self._outgoing)
                self._outgoing = self._outgoing[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._outgoing = b""  # gone: the end of the socket tells us so
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        if self._selector.get_key(self._control).events != wanted:
            self._selector.modify(self._control, wanted, self._read)

    def _emit(
        self, name: str, role: str, phase: str, data: Mapping[str, Any], at_ns: int | None = None
    ) -> None:
        stamp_ns = clock.monotonic_ns() if at_ns is None else at_ns
        self._send({"event": {"name": name, "role": role, "phase": phase, "at_ns": stamp_ns, "data": data}})

    def _handle(self, message: Mapping[str, Any]) -> None:
        number = int(message["id"])
        actions: dict[str, Callable[[int, Mapping[str, Any]], None]] = {
            "start": self._do_start,
            "stop": self._do_stop,
            "signal": self._do_signal,
            "retire": self._do_retire,
            "running": self._do_running,
            "fill_disk": self._do_fill_disk,
            "free_disk": self._do_free_disk,
            "close": self._do_close,
        }
        actions[message["do"]](number, message)

    def _replier(self, number: int) -> Callable[[str | None], None]:
        def reply(error: str | None) -> None:
            self._send({"id": number, "ok": None} if error is None else {"id": number, "error": error})

        return reply

    def _do_start(self, number: int, message: Mapping[str, Any]) -> None:
        launch = wire.launch_from_json(message["launch"])
        known = self._supervised.get(launch.name)
        if known is not None and known.state != "ended":
            self._send({"id": number, "error": "is running already; choose another name"})
            return
        one = self._supervise(launch)
        self._starts += 1
        one.order = self._starts
        one.reply_start = self._replier(number)
        try:
            one.start()
        except spawn.SpawnError as error:
            self._send({"id": number, "error": str(error)})
            return
        self._supervised[launch.name] = one

    def _supervise(self, launch: wire.Launch) -> Supervised:
        return Supervised(
            launch,
            log=self._log_of(launch),
            emit=self._emit,
            kill_left_over=self._kill_left_over,
            packages=self._charge.packages,
            groups=self._charge.groups,
            group_prefix=self._charge.group_prefix,
        )

    def _log_of(self, launch: wire.Launch) -> str:
        return launch.log or str(self._charge.scratch / f"{launch.name.replace('/', '_')}.log")

    def _do_stop(self, number: int, message: Mapping[str, Any]) -> None:
        one = self._supervised.get(message["name"])
        if one is None:
            self._send({"id": number, "ok": None})
            return
        one.reply_stop.append(self._replier(number))
        one.stop(message["grace_s"])

    def _do_signal(self, number: int, message: Mapping[str, Any]) -> None:
        one, name, scope = self._supervised.get(message["name"]), message["signal"], message["scope"]
        got: list[proctree.Process] = []
        if one is not None and one.alive:
            at_ns = clock.monotonic_ns()  # before it acts: what it causes must not seem to come earlier
            main = proctree.read(one.pid)
            if main is not None and main.alive:
                if scope != "child":
                    one.signalled(name)
                got = self._send_to(one, main, getattr(signal, name), scope)
            data = {"signal": name, "scope": scope, "sent_to": [process.pid for process in got]}
            self._emit(one.launch.name, one.launch.role, "signal", data, at_ns)
        self._send({"id": number, "ok": [[process.pid, process.started] for process in got]})

    def _send_to(
        self, one: Supervised, main: proctree.Process, number: signal.Signals, scope: Scope
    ) -> list[proctree.Process]:
        """Sends; those who got it."""
        file = one.launch.companion
        return send_to_scope(main, number, scope, None if file is None else companion.of(Path(file)))

    def _do_retire(self, number: int, message: Mapping[str, Any]) -> None:
        one = self._supervised.get(message["name"])
        if one is not None:
            one.retired = True
            if one.state == "waiting":
                one.stop(0)
        self._send({"id": number, "ok": None})

    def _do_running(self, number: int, message: Mapping[str, Any]) -> None:
        ours = [one for one in self._supervised.values() if one.launch.role == message["role"] and one.alive]
        names = [one.launch.name for one in sorted(ours, key=lambda one: one.order)]
        self._send({"id": number, "ok": names})

    def _do_fill_disk(self, number: int, message: Mapping[str, Any]) -> None:
        one = self._supervised.get(message["name"])
        done: tuple[int, int] | None = None
        if one is not None and one.alive and one.launch.disk_folder is not None:
            with contextlib.suppress(OSError):  # it ended meanwhile
                done = disks.fill(one.pid, one.launch.disk_folder)
        self._send({"id": number, "ok": done})

    def _do_free_disk(self, number: int, message: Mapping[str, Any]) -> None:
        one = self._supervised.get(message["name"])
        if one is not None and one.alive and one.launch.disk_folder is not None:
            disks.free(one.pid, one.launch.disk_folder)
        self._send({"id": number, "ok": None})

    def _do_close(self, number: int, _: Mapping[str, Any]) -> None:
        self._closing = number

    # The end

    def _take_all_away(self) -> None:
        """Quick stops for those that need one, a second for them, then SIGKILL until nobody is left."""
        slow = []
        for one in self._supervised.values():
            one.retired = True
            if not one.alive:
                continue
            if one.launch.quick_stop_signal is None:
                one.kill()
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.pid, getattr(signal, one.launch.quick_stop_signal))
                slow.append(one)
        self._wait_ended(slow, _QUICK_STOP_WITHIN_S)
        for one in self._supervised.values():
            one.kill()
        self._wait_ended(list(self._supervised.values()), _QUICK_STOP_WITHIN_S)
        residue.kill_until_none(lambda: (), self._reap)
        residue.remove_groups(self._charge.groups, self._charge.group_prefix)
        for folder in (self._charge.scratch, self._charge.quick):
            residue.remove_scratch(folder)
        if os.getppid() != self._charge.zygote_pid:
            for folder in {self._charge.session, self._charge.scratch.parent, self._charge.quick.parent}:
                residue.remove_session(folder)
        self._say_closed()

    def _say_closed(self) -> None:
        """Answers whoever asked us to end, now that nothing is left."""
        if self._closing is not None and not self._alone:
            self._send({"id": self._closing, "ok": None})
            self._control.settimeout(1.0)
            with contextlib.suppress(OSError):
                self._control.sendall(self._outgoing)

    def _wait_ended(self, who: list[Supervised], timeout_s: float) -> None:
        deadline_ns = clock.monotonic_ns() + int(timeout_s * 1e9)
        while True:
            self._reap()
            self._act_on_ended()
            if not any(one.alive for one in who) or clock.monotonic_ns() >= deadline_ns:
                return
            clock.sleep(0.002)
