"""PostgreSQL connections that give up waiting: on the client's side, so also for a peer that says nothing.

The server's `statement_timeout` needs a server that works, and the kernel's `tcp_user_timeout` acts on a peer
that acknowledges nothing. One that takes every byte and never answers (a proxy without its server, a host
that swaps) would be waited for without end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")
NOTHING_CAME = 0  # what psycopg sends into a generator whose socket was silent, several times a second


class NoAnswer(psycopg.OperationalError):
    """The connection was closed for it: what was asked may have happened, and may happen yet."""


class Punctual(psycopg.Connection[Any]):
    """A connection on which each answer may take `answer_s`, and no silence longer; without end at first."""

    _answer_s = math.inf
    _monotonic: Callable[[], float] = staticmethod(lambda: 0.0)

    def expect_answers(self, answer_s: float, monotonic: Callable[[], float]) -> None:
        """From now on. `monotonic`: a clock, in seconds."""
        self._answer_s, self._monotonic = answer_s, monotonic

    def wait(self, gen: Generator[Any, Any, T], *given: Any, **named: Any) -> T:
        return super().wait(self._punctual(gen), *given, **named)

    def _punctual(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """Passes everything on. Only silence counts: after a pause of this process what came is read."""
        until = self._monotonic() + self._answer_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready == NOTHING_CAME and self._monotonic() >= until:
                    self.pgconn.finish()
                    raise NoAnswer(f"no answer within {self._answer_s:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result
