"""Ctrl-C: the first heals, stops everything and keeps what was recorded; a later one leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from unstuck.clock import monotonic_ns
from unstuck.errors import ExitCode

SAME_S: Final = 1.0
"""Signals so close together are one: `timeout` tells its child, and then the child's whole group."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Within: SIGINT, SIGTERM or SIGHUP sets `stop`; one more, `SAME_S` later, ends this process with 130.

    To end at once is safe: each process of a run hangs on a pipe from us, and the history is written
    line by line. A signal that our caller had ignored stays ignored. Main thread only; elsewhere
    signals are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    first_ns: int | None = None

    def handle(_number: int, _frame: FrameType | None) -> None:
        # os.write and os._exit only: whoever was interrupted may hold the console's lock.
        nonlocal first_ns
        now_ns = monotonic_ns()
        if first_ns is not None:
            if now_ns - first_ns < SAME_S * 1e9:
                return
            _tell(b"\nunstuck: leaving at once.\n")
            os._exit(ExitCode.INTERRUPTED)
        first_ns = now_ns
        stop.set()
        _tell(b"\nunstuck: interrupted: healing faults and stopping every process (again: leave at once).\n")

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _tell(text: bytes) -> None:
    with suppress(OSError):
        os.write(2, text)
