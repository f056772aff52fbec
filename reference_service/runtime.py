"""`ports.Runtime` on a POSIX system: signals, and each job in a forked child.

The process that forks must have no threads. SIGTERM and SIGINT set `stopping`; they, and the end of a
child, wake `wait` through file descriptors, so nothing is polled. What a child does is in `forked`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Protocol

from reference_service.forked import STOP_CHILD, Work, live_as_child, read_notes
from reference_service.memory import cgroup_limit_bytes, find_oom_counter, read_oom_kills, resident_bytes
from reference_service.open_files import in_use
from reference_service.ports import ChildEnd, Clock, Stopper

ASIDE_MAX = 4
ASIDE_S = 20  # then the kernel ends it, whatever it waits for
REST_S = 0.5  # for a listener whose client could not be let in: it can be read at once again, and again


class Attended(Protocol):
    """Somebody who listens, and whose clients are answered when they come. Nothing in it blocks for long."""

    def fileno(self) -> int: ...

    def answer(self) -> bool:
        """Serves who waits, if anybody does. False: there is somebody who could not be let in."""
        ...

    def answer_at_once(self) -> None:
        """Amidst something else: whom it may take."""
        ...


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
        self._attended: Attended | None = None
        self._clock: Clock
        self._at_once = False
        self._rests_until: float | None = None  # the listener of that
        self._waiting = False
        self.waits = 0  # begun or ended: who looks twice sees whether the loop gets on
        self._most_grown = 0  # bytes that children had in use together when one of them ended, since a look
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop if drain_on_sigterm else signal.SIG_DFL)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def memory(self) -> tuple[int, int] | None:
        """In use at most since the last look: what is resident here, and by how much each child had grown at
        most since its fork. So what parent and child share is counted once, and a child that came and went
        between two looks is, too.
        """
        found = resident_bytes(self.pid) if self._budget_bytes else None
        if found is None or self._budget_bytes is None:
            return None
        grown = max(self._most_grown, sum(child.grown_bytes() for child in self._children))
        self._most_grown = 0
        return found[0] + grown, self._budget_bytes

    def descriptors(self) -> tuple[int, int] | None:
        return in_use()

    def wait(self, timeout_s: float) -> None:
        if self._stopping and len(self._children) == len(self._aside):
            return
        self.waits += 1
        self._waiting = True
        try:
            if self._attended is None:
                self._poll_once(timeout_s)
            else:
                self._wait_attending(self._attended, timeout_s)
        finally:
            self._waiting = False
            self.waits += 1
        if self._attended is not None and self._at_once:
            # 1. a client comes while we wait, so its signal is for the wait to answer  2. so does a job's
            # end, and the wait is over  3. the next step lasts: nobody would be told until its end.
            self._attended.answer_at_once()

    def attend(self, one: Attended, clock: Clock, *, at_once: bool) -> None:
        """Answers its clients while it waits; `at_once`: by a signal, also while this process waits for
        others. Then the handler runs wherever the interpreter is, so it answers only what needs no lock.
        """
        self._attended, self._clock, self._at_once = one, clock, at_once
        self._poll.register(one.fileno(), select.POLLIN)
        if at_once:
            signal.signal(signal.SIGIO, self._on_client)
            fcntl.fcntl(one.fileno(), fcntl.F_SETOWN, self.pid)
            flags = fcntl.fcntl(one.fileno(), fcntl.F_GETFL)
            fcntl.fcntl(one.fileno(), fcntl.F_SETFL, flags | os.O_ASYNC)

    def _wait_attending(self, one: Attended, timeout_s: float) -> None:
        """Goes on waiting behind an answer: whoever asks for figures must not hurry the role, nor keep it."""
        until = self._clock.monotonic() + timeout_s
        self._answer(one)
        while True:
            now = self._clock.monotonic()
            if self._rests_until is not None and now >= self._rests_until:
                self._rests_until = None
                self._poll.register(one.fileno(), select.POLLIN)
            next_at = until if self._rests_until is None else min(until, self._rests_until)
            ready = self._poll_once(next_at - now)
            others = {fd for fd in ready - {one.fileno()} if not self._reap_aside(fd)}
            if others or self._clock.monotonic() >= until:
                return
            if one.fileno() in ready:
                self._answer(one)

    def _answer(self, one: Attended) -> None:
        if self._rests_until is None and not one.answer():
            self._rests_until = self._clock.monotonic() + REST_S
            self._poll.unregister(one.fileno())

    def _poll_once(self, timeout_s: float) -> set[int]:
        """What can be read; not our own pipe, when all that it says is that a client has come."""
        ready = {fd for fd, _ in self._poll.poll(max(0.0, timeout_s) * 1000)}
        if self._wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                if not set(os.read(self._wake_read, 512)) - {signal.SIGIO}:
                    ready.remove(self._wake_read)
        return ready

    def watch(self, fd: int) -> None:
        """`wait` also returns when `fd` can be read."""
        self._poll.register(fd, select.POLLIN)

    def spawn(self, name: str, work: Work) -> ForkedChild:
        if len(self._children) == len(self._aside):
            # Whom the kernel and we killed at once was charged to nobody: nor is it to who comes now.
            self._oom_kills_seen = read_oom_kills(self._oom_counter) or 0
        sys.stdout.flush()
        sys.stderr.flush()
        read, write = os.pipe()
        try:
            pid = os.fork()
        except OSError:  # no memory for it, or as many processes as there may be
            os.close(read)
            os.close(write)
            raise
        if pid == 0:
            live_as_child(self.pid, write, work, self._memory_limit_bytes)
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
        if self._attended is not None:
            signal.signal(signal.SIGIO, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        os.close(self._wake_read)
        os.close(self._wake_write)
        if self._stopping:
            # 1. we were told to stop, and have  2. the interpreter ends, and takes its handlers away
            # 3. a second signal comes: it must not turn an orderly end into a kill.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)

    def forget(self, child: ForkedChild, pipe: int, grown_bytes: int) -> None:
        """A child has been reaped, which had grown by so much at most since the last look at it."""
        self._children.remove(child)
        if self._budget_bytes is not None:
            others = sum(one.grown_bytes() for one in self._children)
            self._most_grown = max(self._most_grown, grown_bytes + others)
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

    def _on_client(self, _signal: int, _frame: FrameType | None) -> None:
        if self._attended is not None and not self._waiting:
            self._attended.answer_at_once()


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
        self._looked = 0  # so much of that was counted at the last look
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
        """By how much more was resident at most than at the fork, in its present stage and in those that it
        has ended since this was last asked.
        """
        whole = self._received.rfind(b"\n") + 1
        result, peaks = read_notes(bytes(self._received[self._looked : whole]))
        self._looked = whole
        found = None if self._end is not None else resident_bytes(self.pid)
        most = [found[1] if found else 0, *peaks.values()]
        most.append(int((result or {}).get("peak_rss_bytes") or 0))
        return max(0, max(most) - self._at_fork_bytes)

    def ask_to_stop(self) -> None:
        self._signal(STOP_CHILD)

    def kill(self) -> None:
        self.reap(block=False)  # it may have ended a moment ago, and by whom is then no more to be seen
        if self._end is None:
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
        grown_bytes = self.grown_bytes()  # before another process may have its pid
        _, status = os.waitpid(self.pid, 0)
        self._runtime.forget(self, self.pipe, grown_bytes)
        os.close(self.pipe)
        self._end = self._judge(status)

    def _judge(self, status: int) -> ChildEnd:
        result, stage_peaks = read_notes(bytes(self._received))
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
