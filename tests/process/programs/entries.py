# Its output is what it is for.

"""Entries for roles that are started by fork, and what they do."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Sequence


def wait(argv: Sequence[str]) -> int:
    """Says ready, and waits for a signal."""
    print("ready", *argv, flush=True)
    while True:
        signal.pause()


def limits(argv: Sequence[str]) -> int:
    """Prints how many files it may open, soft and hard, and waits."""
    print(*resource.getrlimit(resource.RLIMIT_NOFILE), sep="\n", flush=True)
    return wait(argv)


class Full(io.StringIO):
    """A stream on a disk without room."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def leave(argv: Sequence[str]) -> object:
    """Ends as told: `return 3`, `exit 3`, `text`, `raise`, `interrupt`, `closed 3`, `full-stdout 3`,
    `full-stderr 3`.
    """
    how = argv[0]
    if how == "interrupt":
        print("half", end="")
        raise KeyboardInterrupt
    if how == "closed":
        sys.stdout.close()
    if how == "full-stdout":
        sys.stdout = Full()
    if how == "full-stderr":
        sys.stderr = Full()
    if how in {"closed", "full-stdout", "full-stderr"}:
        return int(argv[1])
    if how == "return":
        return int(argv[1])
    if how == "exit":
        sys.exit(int(argv[1]))
    if how == "text":
        sys.exit("said at the end")
    message = "raised on purpose"
    raise RuntimeError(message)


def describe(argv: Sequence[str]) -> int:
    """Prints what this process has inherited, as JSON, and waits."""
    handles = {
        name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _open(name)
    }
    facts = {
        "argv": list(argv),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "handles": handles,
        "group": os.getpgrp(),
        "session": os.getsid(0),
        "pid": os.getpid(),
        "threads": threading.active_count(),
        "sigterm": str(signal.getsignal(signal.SIGTERM)),
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "random": random.random(),
    }
    print("facts " + json.dumps(facts), flush=True)
    while True:
        signal.pause()


def _open(name: str) -> bool:
    try:
        os.fstat(int(name))
    except OSError:
        return False
    return True


def crash(_: Sequence[str]) -> int:
    """Is ready, then ends with 7."""
    print("ready", flush=True)
    return 7


def stubborn(_: Sequence[str]) -> int:
    """Ignores SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        time.sleep(60)


def polite(_: Sequence[str]) -> int:
    """Ends with 0 on SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    while True:
        signal.pause()
