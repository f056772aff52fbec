"""The server that test points of a service talk to: one loopback socket a run, JSON lines.

A process says hello and is told which points to stop at; at such a point it says where it is and waits
for one line. A process that ends closes its connection, and so we see it go.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unstuck.targets.port import PointReached

ALLOCATED = "allocated"  # what a process says when it got the memory it was told to take


class PointServer:
    """Listens on 127.0.0.1 from `start` to `stop`; `on_point` is called in a thread of the connection."""

    def __init__(self, watch: Sequence[str], on_point: Callable[[PointReached], None]) -> None:
        self._watch = list(watch)
        self._on_point = on_point
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "{}:{}".format(*self._listener.getsockname())  # "127.0.0.1:port"
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        threading.Thread(target=self._accept, name="test points", daemon=True).start()

    def stop(self) -> None:
        """Closes everything: a test point without a harness is a no-op. Idempotent."""
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        for each in (self._listener, *connections):
            # shutdown wakes the thread that is blocked in accept or recv; close alone does not.
            with contextlib.suppress(OSError):  # not connected, or closed already
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="test point", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        gone: list[bool] = []
        kept: list[bool] = []
        try:
            with connection, connection.makefile("rb") as lines:
                hello = _message(lines.readline()).get("hello", {})
                connection.sendall(_line({"watch": self._watch}))
                for raw in lines:
                    said = _message(raw)
                    if "point" in said:
                        self._on_point(_reached(said, hello, connection, gone, kept))
                    elif ALLOCATED in said:
                        kept.append(True)
        except (OSError, ValueError, TypeError, AttributeError):
            pass  # killed in the middle of a line, or no test point at all: it is let go
        finally:
            gone.append(True)
            with self._lock:
                self._connections.discard(connection)


def _message(raw: bytes) -> dict[str, Any]:
    """Raises `ValueError` for what is no object; half a line is not even JSON."""
    said = json.loads(raw)
    if not isinstance(said, dict):
        raise ValueError(f"{raw[:80]!r} is no JSON object")  # noqa: TRY004  one kind of garbage
    return said


def _reached(
    said: Mapping[str, Any],
    hello: Mapping[str, Any],
    connection: socket.socket,
    gone: list[bool],
    kept: list[bool],
) -> PointReached:
    answered = threading.Lock()

    def answer(directive: Mapping[str, Any]) -> None:
        if not answered.acquire(blocking=False):
            return  # a second answer would be taken for that to the next point
        try:
            connection.sendall(_line(directive))
        except OSError:
            gone.append(True)

    return PointReached(
        point=str(said["point"]),
        process=str(hello.get("instance", "")),
        pid=int(hello.get("pid", 0)),
        job=said.get("job"),
        facts=dict(said.get("facts", {})),
        answer=answer,
        gone=lambda: bool(gone),
        kept=lambda: bool(kept),
    )


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
