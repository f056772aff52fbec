"""What the kernel says about file descriptors: how many this process has open, and how many it may."""

from __future__ import annotations

import errno
import os
import resource

OUT = frozenset({errno.EMFILE, errno.ENFILE})
NO_CHILD = OUT | {errno.EAGAIN, errno.ENOMEM}  # a fork that failed: the last two for processes or memory
FAR_AWAY = 1 << 20  # a limit that nobody comes to


def in_use() -> tuple[int, int] | None:
    """(open descriptors of this process, the most that it may have); None: no limit, or no telling."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most in {resource.RLIM_INFINITY, -1} or most >= FAR_AWAY:
        return None
    try:
        return len(os.listdir("/dev/fd")) - 1, most  # without the one that the look itself takes
    except OSError as error:
        return (most, most) if error.errno in OUT else None
