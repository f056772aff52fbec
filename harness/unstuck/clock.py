"""The only module of the harness that reads the machine's clocks or sleeps (a ratchet test holds this).

Times on a run's timeline are nanoseconds of the monotonic clock since the run began. The realtime
clock is read for three purposes only: the date of a run, to notice that it was stepped, and to see that
a process can have another one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime


def monotonic_ns() -> int:
    """Nanoseconds on the monotonic clock, the same for every process of this machine."""
    return time.monotonic_ns()


def cpu_ns() -> int:
    """Nanoseconds that the calling thread has been on a processor: waiting for one does not count."""
    return time.thread_time_ns()


def realtime_s() -> float:
    """Seconds since 1970 on the wall clock, which can be stepped under us."""
    return time.time()


def sleep(seconds: float) -> None:
    """Blocks the calling thread; zero or less returns at once."""
    if seconds > 0:
        time.sleep(seconds)


def utc_date() -> datetime:
    """Now, as an aware UTC date, for names of folders and headings of reports."""
    return datetime.now(tz=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class WallClockWatch:
    """Notices that the wall clock was stepped, by holding it against the monotonic clock."""

    monotonic_start_ns: int
    realtime_start_s: float

    @classmethod
    def start(cls) -> WallClockWatch:
        return cls(monotonic_start_ns=monotonic_ns(), realtime_start_s=realtime_s())

    def step_s(self) -> float:
        """Seconds by which the wall clock moved more than time did; slewing stays below 0.5 ms/s."""
        elapsed_s = (monotonic_ns() - self.monotonic_start_ns) / 1e9
        return (realtime_s() - self.realtime_start_s) - elapsed_s
