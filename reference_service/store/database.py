"""`ports.Database` on SQLAlchemy: PostgreSQL through psycopg, or SQLite.

Nothing is opened before the first transaction, and a process that was forked from one that had used the
same object gets connections of its own.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from reference_service.ports import Clock, CommitUnknown, Unavailable

T = TypeVar("T")
RETRYABLE_STATES = frozenset({"40001", "40P01", "55P03", "57014"})  # serialization, deadlock, lock, timeout
STATEMENT_S = 10.0  # with no deadline here: what the server allows
SERVER_FIRST = 0.8  # of the deadline: a server that works ends a statement, and so keeps the connection
SILENCES = frozenset({"NoAnswer", "ConnectionTimeout"})  # of psycopg, which SQLite does not load
REST_S = 0.4  # after no answer: whoever has ten things to ask does not wait ten times


class SqlDatabase:
    """Transactions on one engine a process. `pool_size` is how many may run at the same time."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        pool_size: int = 1,
        busy_timeout_s: float = 5.0,
        answer_s: float | None = None,
    ) -> None:
        """Opens nothing. `answer_s`: PostgreSQL's answers are waited for so long (None: without end); then
        the connection is given up, and for a moment nothing is asked.

        Raises `ValueError` for a URL of neither dialect.
        """
        self._url = _parse(url)
        self._clock = clock
        self._pool_size = pool_size
        self._busy_timeout_s = busy_timeout_s
        self._answer_s = answer_s
        self._rest_until = 0.0
        self.calls = 0  # that were begun, or have ended: who looks twice sees whether any goes on
        self._engine: Engine | None = None
        self._pid = 0
        self.dialect: Literal["postgresql", "sqlite"] = (
            "postgresql" if self._url.get_backend_name() == "postgresql" else "sqlite"
        )

    @property
    def file(self) -> Path | None:
        """Where SQLite keeps it, and makes one if there is none; None: in memory, or PostgreSQL."""
        name = self._url.database
        if self.dialect == "postgresql" or not name or name == ":memory:" or name.startswith("file:"):
            return None
        return Path(name)

    def run(self, work: Callable[[Connection], T]) -> T:
        """As `ports.Database.run`.

        A pooled connection that the server has dropped since is found only by use: once, and only before
        the commit, the work is run again on a new one.
        """
        return self._call(lambda engine: _transact(engine, work))

    def single(self, work: Callable[[Connection], T]) -> T:
        """As `ports.Database.single`."""
        if self.dialect == "sqlite":
            return self.run(work)
        return self._call(lambda engine: _by_statement(engine, work))

    def _call(self, action: Callable[[Engine], T]) -> T:
        self._rest()
        engine = self._own_engine()
        self.calls += 1
        try:
            try:
                return action(engine)
            except _Disconnected:
                return action(engine)
        except Unavailable as error:
            if _silent(error.__cause__) and not isinstance(error, CommitUnknown):
                self._rest_until = self._clock.monotonic() + REST_S
            raise
        finally:
            self.calls += 1

    def _rest(self) -> None:
        """Raises `Unavailable` for a moment after the database was silent: 1. it takes what is sent and does
        not answer, 2. a worker has a lease to renew for each of its jobs, or an API as many requests as
        threads, 3. each would wait in turn, and nobody would look after anything else.

        Not after `CommitUnknown`: whoever is left with that question asks it at once, or never.
        """
        if self._clock.monotonic() < self._rest_until:
            raise Unavailable("database: it did not answer a moment ago")

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose(close=self._pid == os.getpid())
            self._engine = None

    def _own_engine(self) -> Engine:
        if self._engine is None:
            self._engine = self._open_engine()
            self._pid = os.getpid()
        elif self._pid != os.getpid():
            # The connections are the parent's and stay open for it. What the engine has learnt of the
            # server, and the statements that it has compiled, are good here, too.
            self._engine.dispose(close=False)
            self._pid = os.getpid()
        return self._engine

    def _open_engine(self) -> Engine:
        if self.dialect == "sqlite":
            return _sqlite_engine(self._url, self._clock, self._busy_timeout_s)
        engine = _ready.pop(self._pool_size, None) or _postgresql_engine(self._pool_size)
        event.listen(engine, "do_connect", self._open_connection)
        return engine

    def _open_connection(
        self, dialect: Dialect, _record: object, _given: Sequence[Any], named: Mapping[str, Any]
    ) -> Any:
        from reference_service.store.deadline import Punctual  # noqa: PLC0415  loads psycopg: not before use

        self._rest()  # who waited in the pool until now need not find out again
        statement_s = STATEMENT_S if self._answer_s is None else self._answer_s * SERVER_FIRST
        options = (
            f"-c statement_timeout={statement_s * 1000:.0f} -c idle_in_transaction_session_timeout=15000"
        )
        _, where = dialect.create_connect_args(self._url)
        connection = Punctual.connect(**{**where, **named, "options": options})
        if self._answer_s is not None:
            connection.expect_answers(self._answer_s, self._clock.monotonic)
        return connection


_ready: dict[int, Engine] = {}  # by pool size: made beforehand, for whoever comes first


def make_ready(pool_size: int) -> Engine:
    """An engine for PostgreSQL that the next `SqlDatabase` of this size takes, here or in a fork.

    It knows of no server yet. What it has compiled by then stays compiled.
    """
    engine = _ready[pool_size] = _postgresql_engine(pool_size)
    return engine


def _postgresql_engine(pool_size: int) -> Engine:
    """Where it connects to, its `SqlDatabase` says."""
    return create_engine(
        "postgresql+psycopg://",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        use_native_hstore=False,  # nobody has one, and to ask costs each new connection four round trips
        connect_args={
            "connect_timeout": 2,
            "application_name": "reference_service",
            "keepalives_idle": 10,
            "tcp_user_timeout": 10_000,
        },
    )


class _Disconnected(Unavailable):
    """The connection was dead before the commit: the work can be run again as a whole."""


def _transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    with _connect(engine) as connection:
        with _told_apart():
            _begin(connection)
            result = work(connection)
        try:
            connection.commit()
        except DBAPIError as error:
            if error.connection_invalidated or isinstance(error, InterfaceError):
                raise CommitUnknown(f"database: {_first_line(error)}") from error
            if _retryable(error):
                raise Unavailable(f"database: {_first_line(error)}") from error
            raise
    return result


def _by_statement(engine: Engine, work: Callable[[Connection], T]) -> T:
    """PostgreSQL commits each statement by itself: no BEGIN and no COMMIT travel."""
    with _connect(engine) as connection, _told_apart():
        return work(connection.execution_options(isolation_level="AUTOCOMMIT"))


def _connect(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except (DBAPIError, PoolTimeout) as error:
        raise Unavailable(f"database: {_first_line(error)}") from error


@contextmanager
def _told_apart() -> Iterator[None]:
    """Turns what may be tried again into `Unavailable`."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated and not _silent(error):
            raise _Disconnected(f"database: {_first_line(error)}") from error
        if _retryable(error):
            raise Unavailable(f"database: {_first_line(error)}") from error
        raise


def _begin(connection: Connection) -> None:
    connection.begin()
    if connection.dialect.name == "sqlite":
        # Waits for the lock here, not half-way through the work. Past SQLAlchemy's layers, and not as an
        # event on the engine: these would double the cost of a small transaction.
        driver = connection.connection.driver_connection
        assert driver is not None, "a connection that was checked out has one"
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise Unavailable(f"database: {error}") from error


def _silent(error: BaseException | None) -> bool:
    """Whether nothing at all was heard of the database within the time."""
    return type(getattr(error, "orig", None)).__name__ in SILENCES


def _retryable(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in RETRYABLE_STATES or state.startswith(("08", "53", "57P"))
    return isinstance(error, OperationalError)  # SQLite: locked, busy, disk full


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError(
            f"REFERENCE_DATABASE_URL={url!r}: no database URL; see postgresql+psycopg://…"
        ) from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"postgresql+psycopg", "sqlite", "sqlite+pysqlite"}:
        raise ValueError(
            f"REFERENCE_DATABASE_URL={parsed.drivername!r}://…: use postgresql+psycopg://… or sqlite:///…"
        )
    return parsed


def _sqlite_engine(url: URL, clock: Clock, busy_timeout_s: float) -> Engine:
    in_memory = url.database in {None, "", ":memory:"}
    arguments: dict[str, Any] = {"timeout": busy_timeout_s, "check_same_thread": False}
    if in_memory:
        engine = create_engine(url, poolclass=StaticPool, connect_args=arguments)
    else:
        engine = create_engine(url, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver's own idea of transactions leaves reads outside
        connection.create_function("reference_now", 0, clock.now)
        if not in_memory:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

    return engine
