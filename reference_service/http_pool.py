"""HTTP connections that are not shared across a fork."""

from __future__ import annotations

import os

import urllib3

CONNECT_S = 2.0
READ_S = 10.0


def is_refusal(status: int) -> bool:
    """Whether the status says that they are there, and will not do it: all of 4xx but 408 and 429."""
    return 400 <= status < 500 and status not in {408, 429}


class OwnPool:
    """A connection pool that each process makes for itself at first use; nothing is retried in it."""

    def __init__(self) -> None:
        self._pool: urllib3.PoolManager | None = None
        self._pid = 0

    def own(self) -> urllib3.PoolManager:
        if self._pool is None or self._pid != os.getpid():
            timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
            self._pool = urllib3.PoolManager(timeout=timeout, retries=False)
            self._pid = os.getpid()
        return self._pool
