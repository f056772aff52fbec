"""Processes and signals in memory: children that live when their parent waits."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from typing import Any

from reference_service.ports import ChildEnd, Clock, Stopper


class FakeChild:
    """Runs when its runtime waits; until then it can be asked to stop, or killed."""

    def __init__(self, work: Callable[[Stopper], Mapping[str, Any]], ending: ChildEnd | None) -> None:
        self._work = work
        self._ending = ending
        self.asked = False
        self._peaks: dict[str, int] = {}
        self.end: ChildEnd | None = None

    def rss_bytes(self) -> int | None:
        return 1024 if self.end is None else None

    def ask_to_stop(self) -> None:
        self.asked = True

    def measure(self, stage: str) -> None:
        self._peaks[stage] = 2048

    def kill(self) -> None:
        if self.end is None:
            self.end = ChildEnd(exit_code=None, signal=9, result=None, peak_rss_bytes=None, oom_kills=0)

    def run(self) -> None:
        """Lives to its end: its work's result, or the ending that was scripted."""
        if self.end is None and self._ending is not None:
            self.end = self._ending
        elif self.end is None:
            result = self._work(self)
            self.end = ChildEnd(
                exit_code=0,
                signal=None,
                result=result,
                peak_rss_bytes=2048,
                oom_kills=0,
                stage_peaks=self._peaks,
            )


class FakeRuntime:
    """One instance. `wait` lets time pass and then lets its children live, unless they are `held`.

    `endings` are how the next children end, first come first served; after them, by their work.
    """

    def __init__(self, clock: Clock, name: str = "boot-1") -> None:
        self._clock = clock
        self.boot_id = name
        self.pid = 1
        self.stopping = False
        self.held = False
        self.longest_wait_s = float("inf")  # as if signals came so often
        self.used: tuple[int, int] | None = None
        self.open: tuple[int, int] | None = None
        self.no_pipe = 0  # how many of the next children cannot be started
        self.no_pipe_for = errno.EMFILE
        self.endings: list[ChildEnd] = []
        self.children: list[FakeChild] = []

    def memory(self) -> tuple[int, int] | None:
        return self.used

    def descriptors(self) -> tuple[int, int] | None:
        return self.open

    def wait(self, timeout_s: float) -> None:
        waiting = [child for child in self.children if child.end is None]
        if self.held or not waiting:
            self._clock.sleep(min(timeout_s, self.longest_wait_s))
        else:
            for child in waiting:
                child.run()

    def spawn(self, name: str, work: Callable[[Stopper], Mapping[str, Any]]) -> FakeChild:
        del name
        if self.no_pipe > 0:
            self.no_pipe -= 1
            raise OSError(self.no_pipe_for, os.strerror(self.no_pipe_for))
        child = FakeChild(work, self.endings.pop(0) if self.endings else None)
        self.children.append(child)
        return child

    def run_inline(self, name: str, work: Callable[[Stopper], Mapping[str, Any]]) -> FakeChild:
        child = self.spawn(name, work)
        child.run()
        return child
