"""The limits of the user's shell that a run would meet in its midst."""

from __future__ import annotations

import resource

from unstuck.errors import UsageError

OPEN_FILES_MIN = 256
"""Files and sockets that one process of a run may have open: PostgreSQL keeps as many as it may, and refuses
to start with a hundred; the proxy and the service come to 60."""


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
