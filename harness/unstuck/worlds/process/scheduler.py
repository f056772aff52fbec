"""Time and concurrency of a run on real processes: threads, queues and the monotonic clock."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from unstuck import clock


class ThreadMailbox:
    """An unbounded queue between threads."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, item: Any) -> None:
        self._queue.put(item)

    def get(self, timeout_s: float | None = None) -> Any | None:
        """The next item, or None when `timeout_s` passed without one (None: waits for ever)."""
        try:
            if timeout_s is not None and timeout_s <= 0:
                return self._queue.get_nowait()
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None


class ThreadTask:
    """One thread; it never keeps the interpreter from ending."""

    def __init__(self, name: str, function: Callable[[], None]) -> None:
        self._function = function
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._function()
        except BaseException as error:  # noqa: BLE001  join raises it, where somebody can act on it
            self._error = error

    def join(self, timeout_s: float | None = None) -> bool:
        """True when it has ended. Raises what the task raised, each time that it is asked."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True


class ThreadScheduler:
    """`Scheduler` over threads. `start_ns` is the monotonic stamp at which the run's time is zero."""

    def __init__(self, start_ns: int | None = None) -> None:
        self._start_ns = clock.monotonic_ns() if start_ns is None else start_ns

    def now_ns(self) -> int:
        return clock.monotonic_ns() - self._start_ns

    def sleep(self, seconds: float) -> None:
        clock.sleep(seconds)

    def spawn(self, name: str, function: Callable[[], None]) -> ThreadTask:
        return ThreadTask(name, function)

    def mailbox(self) -> ThreadMailbox:
        return ThreadMailbox()
