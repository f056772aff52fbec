"""How much memory a process uses: its group's figures where it has a limit, else its own peak."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

_SAMPLE_EVERY_NS = 250_000_000  # with a limit: what all use together
_PEAK_EVERY_NS = 1_000_000_000  # without: one small file each second
_STEP_BYTES = 4 * 1024 * 1024  # a smaller rise of the peak is no event
_MOVE_BYTES = 16 * 1024 * 1024  # nor is a smaller move of what is in use, up or down


class Group(Protocol):
    """Who is charged together, under one limit."""

    def oom_kills(self) -> int:
        """How many of them the kernel has killed for want of memory."""
        ...

    def usage_bytes(self) -> int: ...

    def usage_bytes_max(self) -> int:
        """The highest usage so far."""
        ...

    def remove(self) -> bool: ...


class Meter:
    """Of one incarnation, for which alone `group` is made. `tree` gives its and its descendants' pids."""

    def __init__(
        self,
        pid: int,
        limit_bytes: int | None,
        group: Group | None,
        tree: Callable[[], Sequence[int]],
        *,
        limited_by: str = "world",
    ) -> None:
        self._pid = pid
        self._limited_by = limited_by
        self._limit_bytes = limit_bytes
        self._group = group
        self._tree = tree
        self._kills_told = 0
        self._rss_bytes_max = self._rss_bytes_told = self._in_use_told = 0
        self.every_ns = _PEAK_EVERY_NS if limit_bytes is None else _SAMPLE_EVERY_NS

    def limit_facts(self) -> dict[str, Any]:
        """Limit and its kind, as an event tells them; empty without one."""
        if self._limit_bytes is None:
            return {}
        kind = "rlimit_as" if self._limited_by == "world" else "service"
        if self._group is not None:
            kind = "cgroup"
        return {"limit_bytes": self._limit_bytes, "limit_kind": kind}

    def oom_kills(self) -> int | None:
        """Kills for want of memory in this incarnation; None where nobody counts them."""
        return None if self._group is None else self._group.oom_kills()

    def note_peak(self) -> None:
        """Looks at the process's own peak, which nobody can read once it has ended."""
        if self._limit_bytes is None:
            self._rss_bytes_max = max(self._rss_bytes_max, _memory_bytes(self._pid, "VmHWM"))

    def sample(self) -> dict[str, Any] | None:
        """Facts for an event when the peak grew, use moved much, or somebody was killed; else None."""
        if self._limit_bytes is None:
            self.note_peak()
            return None
        if self._group is not None:
            rss_bytes, peak_bytes = self._group.usage_bytes(), self._group.usage_bytes_max()
        else:
            rss_bytes = peak_bytes = sum(_memory_bytes(pid, "VmRSS") for pid in self._tree())
        self._rss_bytes_max = max(self._rss_bytes_max, peak_bytes)
        kills = self.oom_kills() or 0
        grown = self._rss_bytes_max > self._rss_bytes_told + _STEP_BYTES
        moved = abs(rss_bytes - self._in_use_told) > _MOVE_BYTES
        if not grown and not moved and kills <= self._kills_told:
            return None
        self._kills_told, self._rss_bytes_told, self._in_use_told = kills, self._rss_bytes_max, rss_bytes
        return self._facts(rss_bytes)

    def at_the_end(self) -> dict[str, Any] | None:
        """Facts for the last event, after the process has ended; None when nothing was seen."""
        if self._group is not None:
            self._rss_bytes_max = max(self._rss_bytes_max, self._group.usage_bytes_max())
        return self._facts(0) if self._rss_bytes_max else None

    def _facts(self, rss_bytes: int) -> dict[str, Any]:
        facts: dict[str, Any] = {"rss_bytes": rss_bytes, "rss_bytes_max": self._rss_bytes_max}
        kills = self.oom_kills()
        if kills is not None:
            facts["oom_kills"] = kills
        return facts | self.limit_facts()


def _memory_bytes(pid: int, field: str) -> int:
    """`VmRSS` or `VmHWM` of a process; 0 when it has ended, or where there is no /proc."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0
