"""What a limited container uses, read from its cgroup; and the engine's own word when it has ended."""

from __future__ import annotations

import contextlib
from pathlib import Path

from unstuck.worlds.process.cgroups import GroupFigures, candidates

_MOUNTS = Path("/proc/self/mountinfo")


class ContainerMemory:
    """`usage.Group` of one incarnation of a container. Never fails: once it has ended, the last figures stay.

    Kills between the last look and the end are known from the engine's `OOMKilled`: that there was one.
    """

    def __init__(self, figures: GroupFigures | None) -> None:
        """None: the group is not visible, and only the engine tells of kills."""
        self._figures = figures
        self._kills = self._bytes = self._bytes_max = 0

    @classmethod
    def of(cls, pid: int) -> ContainerMemory:
        """The group of the container whose process 1 this is."""
        with contextlib.suppress(OSError):
            groups = Path(f"/proc/{pid}/cgroup").read_text()
            for found in candidates(groups, _MOUNTS.read_text()):
                procs = found.folder / "cgroup.procs"
                if procs.exists() and str(pid) in procs.read_text().split():
                    return cls(GroupFigures(found))
        return cls(None)

    def ended(self, *, oom_killed: bool) -> None:
        """What the engine said of the incarnation when it had ended."""
        self._look()
        self._figures = None
        if oom_killed:
            self._kills = max(self._kills, 1)

    def oom_kills(self) -> int:
        self._look()
        return self._kills

    def usage_bytes(self) -> int:
        self._look()
        return self._bytes

    def usage_bytes_max(self) -> int:
        self._look()
        return self._bytes_max

    def remove(self) -> bool:
        """The engine removes it with the incarnation."""
        return True

    def _look(self) -> None:
        if self._figures is not None:
            with contextlib.suppress(OSError):
                self._kills = max(self._kills, self._figures.oom_kills())
                self._bytes = self._figures.usage_bytes()
                self._bytes_max = max(self._bytes_max, self._figures.usage_bytes_max())
