"""The limits of the user's shell and disks that a run would meet in its midst."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from pathlib import Path

from unstuck.errors import UsageError

OPEN_FILES_MIN = 256
"""Files and sockets that one process of a run may have open: PostgreSQL keeps as many as it may, and refuses
to start with a hundred; the proxy and the service come to 60."""

QUICK_BYTES_MIN = 1024 * 1024 * 1024
"""What must be free in memory before a session's databases go there: ten times what they took."""

SPACE_BYTES_MIN = 128 * 1024 * 1024
"""A session takes 90 MiB in the temporary folder, most of it PostgreSQL's; each run at a time some more."""


def raise_open_files() -> None:
    """Sees to it that this process, and all that it starts, may open `OPEN_FILES_MIN` files.

    A soft limit is raised as far as needed. Raises `UsageError` when the hard one is too low: the service
    would be blamed for what it cannot open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES_MIN:
        return
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES_MIN:
        raise UsageError(
            f"open files: ulimit -Hn={hard!r} is too low: a process of a run needs up to {OPEN_FILES_MIN}. "
            f"Start a shell with a higher limit (`ulimit -n {OPEN_FILES_MIN}` as an administrator)."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_MIN, hard))


def temporary_folder() -> Path:
    """Where temporary files go (TMPDIR, else the system's). Raises `UsageError` when none can be written."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise UsageError(
            f"temporary files: {error.strerror}. Make room in one of them, or set TMPDIR to another folder."
        ) from None


def quick_folder(usual: Path) -> Path:
    """Where files go that are many and small: memory where Linux offers enough of it, else `usual`.

    A database is some 300 files; on a disk's file system a copy took 200 ms of CPU, in memory 50. Whoever
    names a folder in TMPDIR wants the files there.
    """
    memory = Path("/dev/shm")  # noqa: S108  a file system, not a file of ours
    if any(name in os.environ for name in ("TMPDIR", "TEMP", "TMP")) or not os.access(memory, os.W_OK):
        return usual
    try:
        return memory if shutil.disk_usage(memory).free >= QUICK_BYTES_MIN else usual
    except OSError:
        return usual


def check_space(folder: Path) -> None:
    """Raises `UsageError` when a session in this folder would fill its disk. One that is not there passes."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # who makes the session's folder in it says what is wrong
    if free < SPACE_BYTES_MIN:
        raise UsageError(
            f"{folder}: has {free // 1024**2} MiB free, and a run needs {SPACE_BYTES_MIN // 1024**2}. "
            "Make room, or set TMPDIR to a folder on another disk."
        )
