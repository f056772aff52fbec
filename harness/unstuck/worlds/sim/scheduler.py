"""Virtual time: tasks are greenlets of one thread, and time passes only when all of them wait.

One hub greenlet owns a heap of (virtual ns, tie-break, number): the next moment at which somebody may go
on. Which of several that are due at the same moment goes first is drawn from the seed, so another seed is
another order, and the same seed is the same order in every process.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from greenlet import GreenletExit, getcurrent, greenlet

from unstuck.errors import HarnessError
from unstuck.rng import split
from unstuck.worlds.sim.incarnation import Incarnation

NS = 1_000_000_000


class Bell:
    """Wakes everybody who waits until something is so. `ring` may be called from another thread."""

    def __init__(self, scheduler: GreenScheduler, name: str) -> None:
        self._scheduler = scheduler
        self._name = name
        self._listeners: list[GreenTask] = []

    def ring(self) -> None:
        for listener in list(self._listeners):
            self._scheduler.wake(listener)

    def until(self, seen: Callable[[], bool], timeout_s: float | None) -> bool:
        """Waits until `seen()`, looked at whenever it rings; False when the time passed first."""
        scheduler, me = self._scheduler, self._scheduler.current
        deadline_ns = None if timeout_s is None else scheduler.now_ns() + max(0, int(timeout_s * NS))
        self._listeners.append(me)
        try:
            while not seen():
                if deadline_ns is not None and scheduler.now_ns() >= deadline_ns:
                    return False
                scheduler.wait(self._name, deadline_ns)
            return True
        finally:
            self._listeners.remove(me)


class GreenTask:
    """A greenlet; `owner` is the process that it is part of (None: the harness itself)."""

    def __init__(
        self, scheduler: GreenScheduler, name: str, function: Callable[[], object], owner: Incarnation | None
    ) -> None:
        self.name = name
        self.owner = owner
        self.number_of_wait = 0  # a wake-up for an earlier wait is stale
        self.waits_for = "its first turn"
        self.done = False
        self.closing = False  # it is being unwound: nothing that it still does may count
        self.error: BaseException | None = None
        self.joined = False
        self._function = function
        self._end = Bell(scheduler, f"the end of {name!r}")
        self.greenlet = greenlet(self._run, scheduler.hub)

    def join(self, timeout_s: float | None = None) -> bool:
        """True when it has ended. Raises what the task raised, each time that it is asked."""
        if not self._end.until(lambda: self.done, timeout_s):
            return False
        self.joined = True
        if self.error is not None:
            raise self.error
        return True

    @property
    def alive(self) -> bool:
        """False when it has ended, or never goes on again because its process is dead."""
        return not self.done and (self.owner is None or not self.owner.dead)

    def _run(self) -> None:
        try:
            self._function()
        except GreenletExit:
            pass
        except BaseException as error:  # noqa: BLE001  join or close raises it, where somebody can act on it
            self.error = error
        self.done = True
        self._end.ring()


class GreenMailbox:
    """An unbounded queue between tasks."""

    def __init__(self, scheduler: GreenScheduler) -> None:
        self._items: deque[Any] = deque()
        self._bell = Bell(scheduler, "a mailbox")

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._bell.ring()

    def get(self, timeout_s: float | None = None) -> Any | None:
        """The next item, or None when `timeout_s` passed without one (None: waits for ever)."""
        there = self._bell.until(lambda: bool(self._items), timeout_s)
        return self._items.popleft() if there else None


class GreenScheduler:
    """`Scheduler` under virtual time, for the greenlet that made it and those that it spawns."""

    def __init__(self, seed: int) -> None:
        self.hub: greenlet = greenlet(self._loop)
        self.switches = 0
        self.locked: str | None = None  # in which nobody may wait: all else would see the middle of it
        self._now_ns = 0
        self._rng = split(seed, "order")
        self._numbers = itertools.count()
        self._due: list[tuple[int, float, int, GreenTask, int]] = []
        self._tasks: list[GreenTask] = []
        self._main = GreenTask(self, "main", lambda: None, None)
        self._main.greenlet = getcurrent()
        self.current = self._main

    # The port

    def now_ns(self) -> int:
        if self.current.closing:
            # It is unwound after the end of its run; what it wants to record has no time any more.
            raise GreenletExit
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.wait("time to pass", self._now_ns + int(seconds * NS))

    def spawn(
        self, name: str, function: Callable[[], object], *, owner: Incarnation | None = None
    ) -> GreenTask:
        """It begins when the present task waits. With `owner` it lives and dies with that process."""
        task = GreenTask(self, name, function, owner)
        self._tasks.append(task)
        self.wake(task)
        return task

    def mailbox(self) -> GreenMailbox:
        return GreenMailbox(self)

    def bell(self, name: str) -> Bell:
        """`name` says what is waited for, in the message about a deadlock."""
        return Bell(self, name)

    # For the world's own parts

    def wake(self, task: GreenTask, at_ns: int | None = None) -> None:
        """`task` goes on at that moment (None: now), unless its wait is over by then."""
        when_ns = self._now_ns if at_ns is None else at_ns
        order = (when_ns, self._rng.random(), next(self._numbers), task, task.number_of_wait)
        heapq.heappush(self._due, order)

    def wait(self, reason: str, until_ns: int | None = None) -> None:
        """Lets others go on until somebody wakes the present task, or the moment has come."""
        task = self.current
        if task.closing:
            raise GreenletExit
        if self.locked is not None:
            raise HarnessError(
                f"{task.name} waits for {reason} inside {self.locked}. This is a bug of Unstuck."
            )
        task.waits_for = reason
        if until_ns is not None:
            self.wake(task, until_ns)
        try:
            self.hub.switch()
        finally:
            task.number_of_wait += 1

    def halt(self) -> NoReturn:
        """The present task never goes on: its process has just been killed by its own hand."""
        self.current.number_of_wait = -1
        self.hub.switch()
        raise GreenletExit  # only when it is unwound, long after

    def close(self) -> None:
        """Unwinds what still waits, without effect, and frees it. Idempotent.

        Raises `HarnessError` for a task of the harness that ended by an error which nobody has heard of.
        """
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.closing = True
        for task in tasks:
            # Left to the collector, a greenlet is unwound at some moment, by some thread.
            self._unwind(task)
        self._due.clear()
        for task in tasks:
            if task.error is not None and not task.joined and task.owner is None:
                raise HarnessError(f"task {task.name!r} ended by {task.error!r}") from task.error

    # Inside

    def _unwind(self, task: GreenTask) -> None:
        if task.done:
            return
        before, self.current = self.current, task
        task.greenlet.parent = getcurrent()
        task.greenlet.throw(GreenletExit)
        self.current = before

    def _loop(self) -> None:
        while True:
            task = self._next()
            if task is None:
                # Thrown, not raised: the hub lives on, so that the run can still be taken down.
                self.current = self._main
                self._main.greenlet.throw(HarnessError(self._who_waits()))
                continue
            self.current = task
            self.switches += 1
            task.greenlet.switch()

    def _next(self) -> GreenTask | None:
        while self._due:
            at_ns, _, _, task, number = heapq.heappop(self._due)
            if number != task.number_of_wait or not task.alive:
                continue
            if task.owner is not None and task.owner.frozen:
                task.owner.when_thawed(partial(self.wake, task))
                continue
            self._now_ns = max(self._now_ns, at_ns)
            return task
        return None

    def _who_waits(self) -> str:
        waiting = [self._main, *(task for task in self._tasks if task.alive)]
        who = "; ".join(f"{task.name} waits for {task.waits_for}" for task in waiting)
        return f"deadlock at {self._now_ns / NS:.6f} s of virtual time: {who}. This is a bug of Unstuck."
