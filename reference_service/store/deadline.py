"""PostgreSQL connections that give up waiting: on the client's side, so also for a peer that says nothing.

The server's `statement_timeout` needs a server that works, and the kernel's `tcp_user_timeout` acts on a peer
that acknowledges nothing. One that takes every byte and never answers (a proxy without its server, a host
that swaps) would be waited for without end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")
NOTHING_CAME = 0  # what psycopg sends into a generator whose socket was silent, several times a second


class NoAnswer(psycopg.OperationalError):
    """The connection was closed for it: what was asked may have happened, and may happen yet."""


def connecting(answer_s: float, monotonic: Callable[[], float]) -> Callable[..., psycopg.Connection[Any]]:
    """`psycopg.connect`, for connections on which each answer may take `answer_s`, and no silence longer."""

    class Connection(psycopg.Connection[Any]):
        def wait(self, gen: Generator[Any, Any, T], *given: Any, **named: Any) -> T:
            return super().wait(self._punctual(gen), *given, **named)

        def _punctual(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
            """Passes everything on. Only silence counts: after a pause of this process what came is read."""
            until = monotonic() + answer_s
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if ready == NOTHING_CAME and monotonic() >= until:
                        self.pgconn.finish()
                        raise NoAnswer(f"no answer within {answer_s:g} s")
                    wanted = gen.send(ready)
            except StopIteration as end:
                result: T = end.value
                return result

    return Connection.connect
