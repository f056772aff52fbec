"""A small disk for one process: a file system in memory that only it, and all that it starts, can see.

It lies in a mount namespace of the process's own, so the kernel removes it with the last of them, however
they end. Root makes one directly; anybody else in a user namespace, where the kernel allows that.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from unstuck.worlds.process import linux

BALLAST = "ballast-of-the-harness"
CHUNK_BYTES = 64 * 1024


def can_limit(folder: Path) -> bool:
    """Whether it works here: tried once, in a process that ends."""
    pid = os.fork()
    if pid == 0:
        try:
            limit(str(folder), 1 << 20)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def limit(folder: str, size_bytes: int) -> None:
    """From now on `folder` is a file system of this size for this process. Raises `OSError`."""
    if not linux.enter_mount_namespace() or not linux.mount_memory(folder, size_bytes):
        raise OSError(errno.EPERM, "the kernel refuses a file system of its own")


def fill(pid: int, folder: str) -> tuple[int, int]:
    """Writes until the disk of this process is full: bytes written, bytes left. Raises `OSError`."""
    place = _seen_by(pid, folder)
    written = 0
    with open(place / BALLAST, "ab", buffering=0) as file:
        for size in (CHUNK_BYTES, 4096):
            with contextlib.suppress(OSError):
                while count := file.write(bytes(size)):
                    written += count
    found = os.statvfs(place)
    return written, found.f_bavail * found.f_frsize


def free(pid: int, folder: str) -> None:
    """Removes what `fill` wrote. Idempotent; a process that is gone took its disk with it."""
    with contextlib.suppress(OSError):
        (_seen_by(pid, folder) / BALLAST).unlink(missing_ok=True)


def _seen_by(pid: int, folder: str) -> Path:
    return Path(f"/proc/{pid}/root{folder}")
