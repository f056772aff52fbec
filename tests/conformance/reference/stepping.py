"""Two transactions on PostgreSQL, a statement at a time: each stops before its next and before its commit."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from reference_service.clock import SystemClock
from reference_service.store import SqlDatabase

WITHIN_S = 20.0
WRITES = itertools.count(1)
BLOCKED = text("SELECT cardinality(pg_blocking_pids(:pid)) > 0")

Where = Literal["stopped", "blocked", "finished"]


class Stepped:
    """A database whose transactions do nothing until they are let: `ports.Database` for one thread."""

    dialect: Literal["postgresql", "sqlite"] = "postgresql"

    def __init__(self, inner: SqlDatabase) -> None:
        self._inner = inner
        self._may_go = threading.Semaphore(0)
        self._free = False
        self._writes = False
        self.stopped = threading.Event()
        self.pid = 0
        self.wrote: int | None = None
        """When its first transaction that writes came to its commit, as a number in the order of all."""

    def run(self, work: Callable[[Connection], Any]) -> Any:
        def stepped(connection: Connection) -> Any:
            driver: Any = connection.connection.driver_connection
            self.pid, self._writes = driver.info.backend_pid, False
            event.listen(connection, "before_cursor_execute", self._before_statement)
            result = work(connection)
            if self._writes and self.wrote is None:
                self.wrote = next(
                    WRITES
                )  # here, while it has its lock: after the commit the other may overtake
            self._stop()
            return result

        return self._inner.run(stepped)

    def single(self, work: Callable[[Connection], Any]) -> Any:
        """In a transaction, too, since a statement that commits itself could not be stopped before that."""
        return self.run(work)

    def close(self) -> None:
        """The inner one is closed by who made it."""

    def go(self) -> None:
        """Lets one statement, or the commit, through."""
        self.stopped.clear()
        self._may_go.release()

    def go_free(self) -> None:
        """Lets everything through from now on."""
        self._free = True
        self.go()

    def _before_statement(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self._stop()
        self._writes |= not statement.startswith("SELECT")

    def _stop(self) -> None:
        if not self._free:
            self.stopped.set()
            assert self._may_go.acquire(timeout=WITHIN_S), "nobody let the statement through"


class Actor:
    """One of the two: `does` runs in a thread of its own, and stops before its first statement."""

    def __init__(
        self, pool: ThreadPoolExecutor, postgres: SqlDatabase, does: Callable[[Stepped], Any]
    ) -> None:
        self._postgres = postgres
        self.database = Stepped(postgres)
        self._future: Future[Any] = pool.submit(does, self.database)
        self.wait()

    def step(self) -> Where:
        """One statement further. Where that led: `blocked` means that it waits for the other's lock."""
        if self._future.done():
            return "finished"
        self.database.go()
        return self.wait()

    def run(self) -> Where:
        """On to the end, or until it is blocked."""
        self.database.go_free()
        return self.wait()

    def wait(self) -> Where:
        """Until it stops, is blocked, or has finished: the server says so, nobody guesses."""
        clock = SystemClock()
        give_up_at = clock.monotonic() + WITHIN_S
        while clock.monotonic() < give_up_at:
            if self._future.done():
                return "finished"
            if self.database.stopped.wait(0.0005):
                return "stopped"
            if self.database.pid and self._blocked():
                return "blocked"
        raise AssertionError("neither stopped nor blocked nor finished")

    def result(self) -> Any:
        return self._future.result(WITHIN_S)

    def _blocked(self) -> bool:
        return bool(self._postgres.run(lambda c: c.execute(BLOCKED, {"pid": self.database.pid}).scalar()))


@contextmanager
def two(
    postgres: SqlDatabase, one: Callable[[Stepped], Any], other: Callable[[Stepped], Any]
) -> Iterator[tuple[Actor, Actor]]:
    """Both stand before their first statement. At the end both have come to theirs."""
    with ThreadPoolExecutor(2) as pool:
        actors = Actor(pool, postgres, one), Actor(pool, postgres, other)
        try:
            yield actors
        finally:
            for actor in actors:
                actor.database.go_free()


def interleave(actors: tuple[Actor, Actor], first_steps: int, second_steps: int) -> tuple[bool, bool]:
    """The first goes so many statements, the second so many, then the first to its end, the second to its.

    Says whether the first had finished by then, and whether the second was stopped by the first's lock:
    with more steps the same would happen.
    """
    first, second = actors
    at: Where = "stopped"
    for _ in range(first_steps):
        at = first.step()
    exhausted = at == "finished"
    met: Where = "stopped"
    for _ in range(second_steps):
        met = second.step()
        if met != "stopped":
            break
    if first.run() == "blocked":
        second.run()
    first.result()
    second.run()
    second.result()
    return exhausted, met != "stopped"


def overtake(actors: tuple[Actor, Actor]) -> None:
    """The first goes until it has written and not committed, then the second as far as it comes."""
    first, second = actors
    while first.database.wrote is None:
        first.step()
    if second.run() == "blocked":
        first.run()
    second.result()
    first.run()
    first.result()
