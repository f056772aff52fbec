"""The zygote of a session: imports what roles need, once, and forks a guardian for each run.

`python -m unstuck.worlds.process.zygote FD SETTINGS`, started by `Session`: FD is its end of the
control socket, SETTINGS a JSON object. It opens no socket of its own and starts no thread, since
what is forked from it would inherit half of them. `UNSTUCK_CGROUPS=off` makes it use no memory groups.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from unstuck import clock
from unstuck.worlds.process import cgroups, disks, linux, residue, wire
from unstuck.worlds.process.guardian import Charge, Guardian

_GUARDIANS_END_WITHIN_S = 8.0
_TICK_S = 0.5
_RAISE_OPEN = "close what is open, or raise `ulimit -n`"
_END_SOME = "end processes, or raise `ulimit -u`"


class Zygote:
    def __init__(self, control: socket.socket, settings: dict[str, Any]) -> None:
        self._control = control
        self._folder = Path(settings["folder"])
        self._session = str(settings["session"])
        self._preload: list[str] = settings["preload"]
        self._harness = _handle_of(settings["harness_pid"])
        self._groups: cgroups.Parent | None = None
        self._guardians: dict[int, Charge] = {}
        self._charges: list[Charge] = []  # of all guardians that there ever were
        self._lines = wire.Lines()
        self._leaving = False
        self._preparing = True

    def run(self) -> int:
        linux.become_subreaper()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._told_to_leave())
        try:
            problem = self._prepare()
            self._preparing = False
            limits = {"memory_limit": self._groups is not None, "disk_limit": disks.can_limit(self._folder)}
            self._send({"error": problem, **limits})
            if problem is None:
                self._serve()
        finally:
            self._preparing = False
            self._clean_up()
        return 0

    def _told_to_leave(self) -> None:
        """Imports take seconds and look at no flag: in the midst of them only an exception ends us."""
        self._leave()
        if self._preparing:
            raise SystemExit

    def _leave(self) -> None:
        self._leaving = True

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(wire.encode(message))

    def _prepare(self) -> str | None:
        """Makes the folder, imports, checks that forking is safe; the text of what is wrong, or None."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)  # the harness may keep something in it already
        except OSError as error:
            return f"scratch={str(self._folder.parent)!r} cannot be written: {error.strerror}; name another"
        if os.environ.get("UNSTUCK_CGROUPS") != "off":
            self._groups = cgroups.find_parent(f"unstuck-{self._session}-probe")
        for name in self._preload:
            try:
                importlib.import_module(name)
            except Exception as error:  # noqa: BLE001  an import can raise anything
                return f"preload={name!r} cannot be imported: {error!r}; install what it needs"
        threads = _threads()
        if threads > 1:
            return (
                f"preload={self._preload!r} started {threads - 1} threads: a fork would lose them; start none"
            )
        gc.collect()
        gc.freeze()  # the collector then writes to none of these pages, so forks go on sharing them
        return None

    def _serve(self) -> None:
        reader, writer = socket.socketpair()
        with selectors.DefaultSelector() as selector, reader, writer:
            self._serve_with(selector, reader, writer)

    def _serve_with(
        self, selector: selectors.BaseSelector, reader: socket.socket, writer: socket.socket
    ) -> None:
        reader.settimeout(0)
        writer.settimeout(0)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector.register(self._control, selectors.EVENT_READ)
        selector.register(reader, selectors.EVENT_READ)
        if self._harness is not None:
            selector.register(self._harness, selectors.EVENT_READ)
        inherited = [selector, reader, writer]
        while not self._leaving:
            for key, _ in selector.select(_TICK_S):
                if key.fileobj is self._control:
                    self._read(inherited)
                elif key.fileobj is reader:
                    with contextlib.suppress(BlockingIOError):
                        reader.recv(4096)
                else:
                    self._leave()
            self._reap()
        signal.set_wakeup_fd(-1)  # the sockets end here, signals go on

    def _read(self, inherited: list[Any]) -> None:
        try:
            data, handles, _, _ = socket.recv_fds(self._control, 65536, 1)
        except OSError:
            data, handles = b"", []
        if not data:
            self._leave()
        for message in self._lines.feed(data):
            if message["do"] == "close":
                self._leave()
            elif handles:
                self._fork_guardian(message, handles.pop(0), inherited)
            else:  # the kernel drops what there is no room for
                self._send({"error": f"its socket did not come: {os.strerror(errno.EMFILE)}; {_RAISE_OPEN}"})

    def _fork_guardian(self, message: dict[str, Any], handle: int, inherited: list[Any]) -> None:
        charge = Charge(
            scratch=Path(message["scratch"]),
            quick=Path(message["quick"]),
            session=self._folder,
            group_prefix=f"unstuck-{self._session}-{message['number']}-",
            groups=self._groups,
            zygote_pid=os.getpid(),
            packages=frozenset(name.partition(".")[0] for name in self._preload),
            harness=self._harness,
        )
        # A signal that comes before the guardian has handlers of its own must not be told to our copy.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
        try:
            pid = os.fork()
        except OSError as error:  # no more processes, or no memory: the other runs go on
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            os.close(handle)
            self._send({"error": f"cannot be forked: {error.strerror}; {_END_SOME}"})
            return
        if pid == 0:
            try:
                # No copy of the zygote's own sockets may stay open here: their other ends would never
                # see an end, and a signal would wake the wrong process.
                signal.set_wakeup_fd(-1)
                for one in [*inherited, self._control]:
                    one.close()
                Guardian(socket.socket(fileno=handle), charge).run()
            except BaseException:  # noqa: BLE001  a guardian must never go on as a second zygote
                traceback.print_exc()
            os._exit(1)  # the zygote takes away what it left
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(handle)
        self._guardians[pid] = charge
        self._charges.append(charge)
        self._send({"guardian": pid})

    def _reap(self) -> None:
        """Collects the dead; what a guardian left that was killed goes with it (case 2 of `residue`)."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, _ = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                charge = self._guardians.pop(pid, None)
                if charge is not None:
                    self._bury(charge)

    def _bury(self, charge: Charge) -> None:
        residue.kill_until_none(lambda: list(self._guardians), self._reap)
        residue.remove_groups(self._groups, charge.group_prefix)
        for folder in (charge.scratch, charge.quick):
            residue.remove_scratch(folder)

    def _clean_up(self) -> None:
        """Waits for the guardians, who saw the same end as we; then takes away what is left."""
        self._await_guardians()
        self._guardians.clear()
        residue.kill_until_none(lambda: (), self._reap)
        residue.remove_groups(self._groups, f"unstuck-{self._session}-")
        made = {folder for charge in self._charges for folder in (charge.scratch, charge.quick)}
        for folder in made:
            residue.remove_scratch(folder)
        for folder in {self._folder, *(folder.parent for folder in made)}:
            residue.remove_session(folder)

    def _await_guardians(self) -> None:
        deadline_ns = clock.monotonic_ns() + int(_GUARDIANS_END_WITHIN_S * 1e9)
        while self._guardians and clock.monotonic_ns() < deadline_ns:
            self._reap()
            clock.sleep(0.005)


def _handle_of(pid: int) -> int | None:
    """A handle that becomes readable when the process ends; None where the kernel has none."""
    if not hasattr(os, "pidfd_open"):
        return None
    with contextlib.suppress(OSError):
        return os.pidfd_open(pid)
    return None


def _threads() -> int:
    """Of this process, those included that a C library started."""
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return threading.active_count()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as ours:
        Zygote(ours, json.loads(sys.argv[2])).run()
