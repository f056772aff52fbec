"""Test points over a socket: a harness may hold, crash or burden this process at a place with a name.

In production there is no harness, and reaching a point does nothing. A connection belongs to one thread
of one process: an answer has no name, so two threads that wait must not share one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
from typing import Any

PAGE_BYTES = 4096


class NoPoints:
    """Production."""

    def reach(self, name: str, *, job: str | None = None, **facts: str | int) -> None:
        """Does nothing."""


class SocketPoints:
    """Connects at the first point; a harness that is not there or goes away is not waited for."""

    def __init__(self, address: str, instance: str) -> None:
        """`address` is host:port. Opens nothing. Raises `ValueError`."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"REFERENCE_TESTPOINTS={address!r}: host:port")
        self._address = (host, int(port))
        self._instance = instance
        self._local = threading.local()
        self._burden: list[bytearray] = []

    def reach(self, name: str, *, job: str | None = None, **facts: str | int) -> None:
        link = self._own_link()
        if link is None or not link.watches(name):
            return
        answer = link.ask({"point": name, "job": job, "facts": facts})
        if answer is None:
            return
        if answer.get("do") == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if answer.get("do") == "allocate":
            self._burden.append(_touched(int(answer["bytes"])))
            link.tell({"allocated": int(answer["bytes"])})  # and lives: so nobody limits it

    def close(self) -> None:
        """Ends this thread's connection; its next point makes a new one."""
        link: _Link | None = getattr(self._local, "link", None)
        if link is not None:
            link.close()
        self._local.pid = None

    def _own_link(self) -> _Link | None:
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid = os.getpid()
            self._local.link = _Link.open(self._address, self._instance)
        link: _Link | None = self._local.link
        return link


class _Link:
    """One connection: lines of JSON, a question and an answer at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._watched: frozenset[str] = frozenset()

    @classmethod
    def open(cls, address: tuple[str, int], instance: str) -> _Link | None:
        try:
            connection = socket.create_connection(address, timeout=2.0)
        except OSError:
            return None
        connection.settimeout(None)  # to be held is the point
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = cls(connection)
        answer = link.ask({"hello": {"pid": os.getpid(), "instance": instance}})
        link._watched = frozenset((answer or {}).get("watch", ()))
        return link

    def watches(self, name: str) -> bool:
        return name in self._watched or "*" in self._watched

    def close(self) -> None:
        self._lines.close()
        self._connection.close()

    def tell(self, fact: dict[str, Any]) -> None:
        """Says something that wants no answer."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(fact).encode() + b"\n")

    def ask(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """None, and never asked again, when the harness is gone."""
        try:
            self._connection.sendall(json.dumps(question).encode() + b"\n")
            line = self._lines.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            self._watched = frozenset()
            self.close()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer


def _touched(nbytes: int) -> bytearray:
    burden = bytearray(nbytes)
    burden[::PAGE_BYTES] = b"\x01" * len(range(0, nbytes, PAGE_BYTES))
    return burden
