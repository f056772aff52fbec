"""`ports.Runtime` on a POSIX system: signals, and each job in a forked child.

The process that forks must have no threads. SIGTERM and SIGINT set `stopping`; they, and the end of a
child, wake `wait` through file descriptors, so nothing is polled. On Linux a child dies with its parent
(PR_SET_PDEATHSIG); elsewhere it notices at its next interruption point that it has another parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from reference_service.memory import (
    address_space_bytes,
    cgroup_limit_bytes,
    find_oom_counter,
    forget_peak,
    read_oom_kills,
    resident_bytes,
)
from reference_service.open_files import in_use
from reference_service.ports import ChildEnd, Clock, Stopper

PR_SET_PDEATHSIG = 1
OOM_SCORE_OF_CHILD = 500  # rather a child, whose job can be judged and tried again, than the worker
STOP_CHILD = signal.SIGUSR1  # SIGTERM to a whole group must not take the decision from the worker
Work = Callable[[Stopper], Mapping[str, Any]]
ASIDE_MAX = 4
ASIDE_S = 20  # then the kernel ends it, whatever it waits for


class ForkRuntime:
    """One for each process of a role; made in the main thread. After `close` that process should end."""

    def __init__(
        self,
        *,
        boot_id: str,
        drain_on_sigterm: bool,
        memory_limit_bytes: int | None,
        memory_budget_bytes: int | None = None,
    ) -> None:
        """`drain_on_sigterm` off: the signals kill at once, as they do a careless program.
        `memory_budget_bytes`: of this process and its children; None: what the cgroup allows."""
        self.boot_id = boot_id
        self.pid = os.getpid()
        self._stopping = False
        self._memory_limit_bytes = memory_limit_bytes
        self._children: list[ForkedChild] = []
        self._aside: dict[int, ForkedChild] = {}  # by pipe: nobody waits for these
        self._oom_counter = find_oom_counter()
        self._oom_kills_seen = read_oom_kills(self._oom_counter) or 0
        self._budget_bytes = memory_budget_bytes or cgroup_limit_bytes(self._oom_counter)
        self._poll = select.poll()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._poll.register(self._wake_read, select.POLLIN)
        self._attended: tuple[int, Callable[[], None], Clock] | None = None
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop if drain_on_sigterm else signal.SIG_DFL)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def memory(self) -> tuple[int, int] | None:
        """In use: what is resident here, and by how much each child has grown at most since its fork (in the
        stage that it is in). So what parent and child share is counted once."""
        found = resident_bytes(self.pid) if self._budget_bytes else None
        if found is None or self._budget_bytes is None:
            return None
        return found[0] + sum(child.grown_bytes() for child in self._children), self._budget_bytes

    def descriptors(self) -> tuple[int, int] | None:
        return in_use()

    def wait(self, timeout_s: float) -> None:
        if self._stopping and len(self._children) == len(self._aside):
            return
        ready = self._poll_for(timeout_s)
        if any(fd == self._wake_read for fd, _ in ready):
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 512)

    def attend(self, fd: int, answer: Callable[[], None], clock: Clock) -> None:
        """While it waits: calls `answer`, which does not block, whenever `fd` can be read. One `fd` only."""
        self._attended = (fd, answer, clock)
        self._poll.register(fd, select.POLLIN)

    def _poll_for(self, timeout_s: float) -> list[tuple[int, int]]:
        """Goes on waiting behind an answer: whoever asks for figures must not hurry the role."""
        if self._attended is None:
            return self._poll.poll(max(0.0, timeout_s) * 1000)
        fd, answer, clock = self._attended
        until = clock.monotonic() + timeout_s
        while True:
            ready = self._poll.poll(max(0.0, until - clock.monotonic()) * 1000)
            others = [one for one in ready if one[0] != fd and not self._reap_aside(one[0])]
            if any(one[0] == fd for one in ready):
                answer()
            if others or not ready:
                return others

    def watch(self, fd: int) -> None:
        """`wait` also returns when `fd` can be read."""
        self._poll.register(fd, select.POLLIN)

    def spawn(self, name: str, work: Work) -> ForkedChild:
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _live_as_child(self.pid, write, work, self._memory_limit_bytes)
        os.close(write)
        child = ForkedChild(name, pid, read, self)
        self._children.append(child)
        self._poll.register(read, select.POLLIN)
        return child

    def spawn_aside(self, work: Callable[[], None]) -> bool:
        """Runs `work` in a child that nobody waits for, `ASIDE_S` at most; False, and it is not run, while
        `ASIDE_MAX` of them live. For whoever is attended (`attend`). Raises `OSError`.
        """
        if len(self._aside) >= ASIDE_MAX:
            return False

        def bounded(_stopper: Stopper) -> Mapping[str, Any]:
            signal.alarm(ASIDE_S)
            work()
            return {}

        child = self.spawn("aside", bounded)
        self._aside[child.pipe] = child
        return True

    def _reap_aside(self, fd: int) -> bool:
        """Whether it was of such a child."""
        child = self._aside.get(fd)
        if child is None:
            return False
        if child.end is not None:
            del self._aside[fd]
        return True

    def run_inline(self, name: str, work: Work) -> InlineChild:
        del name
        return InlineChild(dict(work(_RuntimeStopper(self))))

    def close(self) -> None:
        """Kills what still runs and reaps it."""
        for child in list(self._children):
            child.kill()
            child.reap(block=True)
        signal.set_wakeup_fd(-1)
        os.close(self._wake_read)
        os.close(self._wake_write)
        if self._stopping:
            # 1. we were told to stop, and have  2. the interpreter ends, and takes its handlers away
            # 3. a second signal comes: it must not turn an orderly end into a kill.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)

    def forget(self, child: ForkedChild, pipe: int) -> None:
        """A child has been reaped."""
        self._children.remove(child)
        self._poll.unregister(pipe)

    def claim_oom_kill(self) -> int | None:
        """1 when the cgroup counts an OOM kill that no child has been charged with yet; None: no counter.

        The counter is the whole cgroup's. Two children that end by SIGKILL at the same time, one of them
        for memory, would otherwise both be charged.
        """
        kills = read_oom_kills(self._oom_counter)
        if kills is None:
            return None
        if kills > self._oom_kills_seen:
            self._oom_kills_seen += 1
            return 1
        return 0

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True


class _RuntimeStopper:
    def __init__(self, runtime: ForkRuntime) -> None:
        self._runtime = runtime

    @property
    def asked(self) -> bool:
        return self._runtime.stopping

    def measure(self, stage: str) -> None:
        """The process is the worker's own: its peak is no stage's."""


class ForkedChild:
    """A child process; its result comes over a pipe, whose end of file says that it has ended."""

    def __init__(self, name: str, pid: int, pipe: int, runtime: ForkRuntime) -> None:
        self.name = name
        self.pid = pid
        self.pipe = pipe
        self._runtime = runtime
        self._received = bytearray()
        self._peak_rss_bytes: int | None = None
        at_fork = resident_bytes(pid)
        self._at_fork_bytes = at_fork[0] if at_fork else 0
        self._killed_by_us = False
        self._end: ChildEnd | None = None
        os.set_blocking(pipe, False)

    @property
    def end(self) -> ChildEnd | None:
        if self._end is None:
            self.reap(block=False)
        return self._end

    def rss_bytes(self) -> int | None:
        if self._end is not None:
            return None
        found = resident_bytes(self.pid)
        if found is None:
            return None
        self._peak_rss_bytes = max(self._peak_rss_bytes or 0, found[1])
        return found[0]

    def grown_bytes(self) -> int:
        """By how much more was resident at most than at the fork."""
        found = None if self._end is not None else resident_bytes(self.pid)
        return 0 if found is None else max(0, found[1] - self._at_fork_bytes)

    def ask_to_stop(self) -> None:
        self._signal(STOP_CHILD)

    def kill(self) -> None:
        self._killed_by_us = True
        self._signal(signal.SIGKILL)

    def reap(self, *, block: bool) -> None:
        """Reads what the child wrote; at the end of file waits for the exit, which then is under way."""
        if self._end is not None:
            return
        if block:
            os.set_blocking(self.pipe, True)
        while True:
            try:
                chunk = os.read(self.pipe, 65536)
            except BlockingIOError:
                return
            if not chunk:
                break
            self._received += chunk
        _, status = os.waitpid(self.pid, 0)
        self._runtime.forget(self, self.pipe)
        os.close(self.pipe)
        self._end = self._judge(status)

    def _judge(self, status: int) -> ChildEnd:
        result, stage_peaks = _read_notes(bytes(self._received))
        peak = max([self._peak_rss_bytes or 0, *stage_peaks.values()])
        if result is not None:
            peak = max(peak, int(result.pop("peak_rss_bytes", None) or 0))
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        oom_kills: int | None = 0
        if number == signal.SIGKILL and not self._killed_by_us:
            oom_kills = self._runtime.claim_oom_kill()
        return ChildEnd(
            exit_code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            signal=number,
            result=result,
            peak_rss_bytes=peak or None,
            oom_kills=oom_kills,
            stage_peaks=stage_peaks,
        )

    def _signal(self, number: int) -> None:
        if self._end is None:  # until it is reaped the pid is its own, even as a zombie
            os.kill(self.pid, number)


class InlineChild:
    """Work that has been done already, in this process."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self.end: ChildEnd | None = ChildEnd(
            exit_code=0, signal=None, result=result, peak_rss_bytes=None, oom_kills=None
        )

    def rss_bytes(self) -> int | None:
        return None

    def ask_to_stop(self) -> None:
        """It has ended."""

    def kill(self) -> None:
        """It has ended."""


def _read_notes(received: bytes) -> tuple[dict[str, Any] | None, dict[str, int]]:
    """The result, and the peaks by stage. The last line is cut off when it was killed while it wrote."""
    result: dict[str, Any] | None = None
    stage_peaks: dict[str, int] = {}
    for line in received.split(b"\n")[:-1]:
        note = json.loads(line)
        if "measured" in note:
            stage_peaks[note["measured"]] = note["peak_rss_bytes"]
        else:
            result = note
    return result, stage_peaks


class _ChildStopper:
    def __init__(self, parent: int, pipe: int) -> None:
        self._parent = parent
        self._pipe = pipe
        forget_peak()  # what was resident at the fork is the parent's
        self._asked = False
        signal.signal(STOP_CHILD, self._on_stop)

    @property
    def asked(self) -> bool:
        return self._asked or os.getppid() != self._parent

    def measure(self, stage: str) -> None:
        """By a line at once: who is killed in the next stage leaves what is known of this one."""
        found = resident_bytes(os.getpid())
        if found is not None:
            note = {"measured": stage, "peak_rss_bytes": found[1]}
            _write_all(self._pipe, json.dumps(note).encode() + b"\n")
            forget_peak()

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked = True


def _live_as_child(parent: int, pipe: int, work: Work, memory_limit_bytes: int | None) -> None:
    """Runs the work and ends this process; never returns, and runs no exit handler of the parent's."""
    code = 1
    try:
        drains = signal.getsignal(signal.SIGTERM) not in {signal.SIG_DFL, signal.SIG_IGN}
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN if drains else signal.SIG_DFL)
        stopper = _ChildStopper(parent, pipe)
        _die_with_parent(parent)
        gc.freeze()  # a collection would write to, and so copy, each page of what the parent has made
        if memory_limit_bytes is not None:
            # By growth: what is mapped already says nothing of the job (libraries alone are hundreds of MB).
            most = address_space_bytes() + memory_limit_bytes
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        result = dict(work(stopper))
        found = resident_bytes(os.getpid())
        result["peak_rss_bytes"] = found[1] if found else None
        _write_all(pipe, json.dumps(result).encode() + b"\n")
        code = 0
    except BaseException as error:  # noqa: BLE001  the child must end here, whatever it was
        sys.stderr.write(f'level=warning msg="a child failed" error={type(error).__name__}: {error}\n')
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _die_with_parent(parent: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died between the fork and the line above
        os._exit(1)
    with contextlib.suppress(OSError):  # a hint only
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_OF_CHILD), encoding="ascii")


def _write_all(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]
