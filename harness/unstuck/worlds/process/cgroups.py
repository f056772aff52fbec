"""Memory limits that the kernel enforces for a process and all its descendants together.

Both versions of the kernel's interface are spoken. A group is made below the harness's own one where
that can be written, else below an ancestor; where neither can be, `find_parent` says None, and a limit
becomes RLIMIT_AS, a different fault, which is labelled as such.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unstuck import clock

_REMOVE_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A folder of the memory controller in which groups can be made."""

    folder: Path
    version: Literal[1, 2]


class GroupFigures:
    """What the kernel counts of a group that exists. Every method raises OSError once it is gone."""

    def __init__(self, group: Parent) -> None:
        self.folder = group.folder
        self._version = group.version

    def oom_kills(self) -> int:
        """How many processes of the group the kernel has killed for want of memory."""
        name = "memory.oom_control" if self._version == 1 else "memory.events"
        return self._counter(name, "oom_kill")

    def usage_bytes(self) -> int:
        return self._number("memory.usage_in_bytes" if self._version == 1 else "memory.current")

    def usage_bytes_max(self) -> int:
        """The highest usage so far; Linux before 5.19 keeps none in version 2: then the present one."""
        if self._version == 1:
            return self._number("memory.max_usage_in_bytes")
        name = "memory.peak" if (self.folder / "memory.peak").exists() else "memory.current"
        return self._number(name)

    def _number(self, file: str) -> int:
        return int((self.folder / file).read_text())

    def _counter(self, file: str, key: str) -> int:
        for line in (self.folder / file).read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == key:
                return int(value)
        return 0  # Linux before 4.13


class MemoryGroup(GroupFigures):
    """One limited group. Made empty; whoever `join`s is charged from then on, with its descendants."""

    def __init__(self, parent: Parent, name: str, limit_bytes: int) -> None:
        """Raises OSError when the kernel refuses the group or the limit."""
        super().__init__(Parent(folder=parent.folder / name, version=parent.version))
        self.folder.mkdir()
        try:
            if parent.version == 1:
                self._write("memory.limit_in_bytes", limit_bytes)
                # Memory and swap together: without swap accounting the file is not there.
                self._write_if_there("memory.memsw.limit_in_bytes", limit_bytes)
            else:
                self._write("memory.max", limit_bytes)
                self._write_if_there("memory.swap.max", 0)
        except OSError:
            self.folder.rmdir()
            raise

    def _write(self, file: str, value: int) -> None:
        (self.folder / file).write_text(str(value))

    def _write_if_there(self, file: str, value: int) -> None:
        if (self.folder / file).exists():
            self._write(file, value)

    def join(self) -> None:
        """Moves the calling process in; called between fork and exec."""
        self._write("cgroup.procs", os.getpid())

    def remove(self) -> bool:
        """Removes the empty group; False when somebody is still in it after two seconds."""
        return remove_folder(self.folder)


def remove_folder(folder: Path, within_s: float = _REMOVE_WITHIN_S) -> bool:
    """Removes an empty group's folder, waiting for the kernel to let go of those who just ended."""
    deadline_ns = clock.monotonic_ns() + int(within_s * 1e9)
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            if clock.monotonic_ns() > deadline_ns:
                return False
            clock.sleep(0.005)
        else:
            return True


def find_parent(name: str) -> Parent | None:
    """Where groups can be made and joined, found by doing so once with a group called `name`."""
    if not os.path.exists("/proc/self/cgroup"):
        return None
    own = Path("/proc/self/cgroup").read_text()
    mounts = Path("/proc/self/mountinfo").read_text()
    for candidate in candidates(own, mounts):
        if candidate.folder.is_dir() and _works(candidate, name):
            return candidate
    return None


def candidates(own: str, mounts: str) -> Iterator[Parent]:
    """Folders to try, nearest to us first, from the texts of /proc/self/cgroup and mountinfo."""
    paths: dict[Literal[1, 2], str] = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            paths[1] = path
        elif not controllers:
            paths[2] = path
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        mount_root, mount_point = before.split()[3:5]
        kind, _, options = after.split(None, 2)
        version: Literal[1, 2]
        if kind == "cgroup" and "memory" in options.strip().split(","):
            version = 1
        elif kind == "cgroup2":
            version = 2
        else:
            continue
        path = paths.get(version, "/")
        if mount_root != "/" and path.startswith(mount_root):
            path = path[len(mount_root) :]  # a bind mount shows only a part of the hierarchy
        folder = Path(mount_point)
        below = (folder / path.strip("/")) if path.strip("/") else folder
        yield Parent(folder=below, version=version)
        for ancestor in below.parents if below != folder else ():
            yield Parent(folder=ancestor, version=version)
            if ancestor == folder:
                break


def _works(parent: Parent, name: str) -> bool:
    """Makes a group, moves a child of ours in, and removes it: permissions alone do not tell.

    In version 2 a group with processes cannot hand the memory controller on to groups below it; then
    `memory.max` is missing there, and an ancestor has to do.
    """
    try:
        group = MemoryGroup(parent, name, 64 * 1024 * 1024)
    except OSError:
        return False
    try:
        pid = os.fork()
        if pid == 0:
            code = 1
            with contextlib.suppress(OSError):
                group.join()
                code = 0
            os._exit(code)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status) == 0
    finally:
        group.remove()
