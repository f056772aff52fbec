"""The service's database in the sim: SQLite in memory, our own witness in it, transactions whole.

Making the schema and compiling statements costs more than a whole run, so databases are used again: each
run begins with a copy of the empty one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from sqlalchemy import text
from sqlalchemy.engine import Connection

from reference_service.store import SqlDatabase, schema
from unstuck.targets.port import Emit
from unstuck.targets.reference.observer import SWEEP, sweep_of, tag_of
from unstuck.worlds.sim.scheduler import GreenScheduler

T = TypeVar("T")
_NEW = "NEW.stage, NEW.attempt, NEW.token, NEW.worker, NEW.reason, NEW.tenant, NEW.name"
_MOVED = "(NEW.state IS NOT OLD.state OR NEW.token IS NOT OLD.token)"
_SWEEP = "NEW.id, NEW.trigger, NEW.actor, NEW.state, NEW.found, NEW.triggered, NEW.skipped, NEW.failed"
TRIGGERS = (
    f"""CREATE TRIGGER unstuck_new AFTER INSERT ON jobs BEGIN
        SELECT unstuck_see('transition', NEW.id, NULL, NEW.state, {_NEW}); END""",
    f"""CREATE TRIGGER unstuck_move AFTER UPDATE ON jobs WHEN {_MOVED} BEGIN
        SELECT unstuck_see('transition', NEW.id, OLD.state, NEW.state, {_NEW}); END""",
    f"""CREATE TRIGGER unstuck_stage AFTER UPDATE ON jobs
        WHEN NOT {_MOVED} AND NEW.stage IS NOT OLD.stage BEGIN
        SELECT unstuck_see('stage', NEW.id, OLD.state, NEW.state, {_NEW}); END""",
    """CREATE TRIGGER unstuck_alert AFTER INSERT ON alerts BEGIN
        SELECT unstuck_see('alert', NEW.name, NEW.state, NEW.value, NEW.threshold); END""",
    f"""CREATE TRIGGER unstuck_begin AFTER INSERT ON recovery_runs BEGIN
        SELECT unstuck_see('sweep', {_SWEEP}); END""",
    f"""CREATE TRIGGER unstuck_end AFTER UPDATE OF state ON recovery_runs BEGIN
        SELECT unstuck_see('sweep', {_SWEEP}); END""",
)
"""As `targets.reference.observer` has them on PostgreSQL; what they see counts when it is committed."""

MANUAL_UPDATE = text(
    "UPDATE jobs SET state = :state WHERE state = :was AND (:job IS NULL OR id = :job) "
    "AND (:tag IS NULL OR name LIKE :tag) RETURNING id"
)
FACTS = ("stage", "attempt", "token", "worker", "reason", "tenant")


class _RunClock:
    """`ports.Clock` for the database, which outlives runs: each puts its own time in."""

    def __init__(self) -> None:
        self.read: Callable[[], float] = lambda: 0.0

    def now(self) -> float:
        return self.read()

    def monotonic(self) -> float:
        return self.read()

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError(f"a transaction does not wait: {seconds} s")


class MemoryDatabase:
    """One connection, and on it one transaction at a time. For one run after another."""

    def __init__(self) -> None:
        self._clock = _RunClock()
        self._sql = SqlDatabase("sqlite://", self._clock, busy_timeout_s=0.0)
        self._seen: list[tuple[Any, ...]] = []
        self._by: str | None = None  # who acts past the service
        self._sql.run(schema.lay)
        connection = self._sql.run(lambda c: c.connection.driver_connection)
        assert isinstance(connection, sqlite3.Connection)
        self._connection = connection
        self._connection.create_function("unstuck_see", -1, self._see)
        for trigger in TRIGGERS:
            self._connection.execute(trigger)
        self._empty = self._connection.serialize()

    def open(self, scheduler: GreenScheduler, now: Callable[[], float], emit: Emit) -> None:
        """Begins a run: empty, with its clock; what happens is told to `emit` once it is committed."""
        self._connection.deserialize(self._empty)
        self._scheduler, self._emit, self._clock.read = scheduler, emit, now
        self._seen.clear()

    def close(self) -> None:
        self._sql.close()

    def run(self, work: Callable[[Connection], T]) -> T:
        """As `ports.Database.run`; nobody else goes on meanwhile."""
        self._scheduler.locked = "a transaction"
        try:
            result = self._sql.run(work)
        except BaseException:
            self._seen.clear()
            raise
        finally:
            self._scheduler.locked = None
        if self._seen:
            self._tell()
        return result

    def update_by_hand(self, *, job: str | None, tag: str | None, was: str, state: str) -> list[str]:
        """As an operator at a console would; the jobs that the statement changed."""
        given = {"state": state, "was": was, "job": job, "tag": f"{tag}/%" if tag else None}
        self._by = "operator"
        try:
            return self.run(lambda c: list(c.execute(MANUAL_UPDATE, given).scalars()))
        finally:
            self._by = None

    def _see(self, *facts: Any) -> None:
        self._seen.append(facts)

    def _tell(self) -> None:
        seen, self._seen = self._seen, []
        for kind, job, before, after, *rest in seen:
            if kind == "alert":
                self._emit(kind, before, alert=job, value=after, threshold=rest[0])
                continue
            if kind == "sweep":
                phase, about = sweep_of(dict(zip(SWEEP, (job, before, after, *rest), strict=True)))
                self._emit(kind, phase, **about)
                continue
            data = {key: value for key, value in zip(FACTS, rest, strict=False) if value is not None}
            if kind == "transition":
                data = {"from": before, "to": after, **data, **({"by": self._by} if self._by else {})}
            self._emit(kind, job=job, tag=tag_of(str(rest[-1])), **data)


class ActorDatabase:
    """`ports.Database` of one process: its question and its answer take time, the transaction takes none.

    1. the question travels, 2. the transaction, whole, 3. the answer travels. Killed in 1 nothing was
    done; killed in 3 it was done and nobody knows.
    """

    dialect: Literal["postgresql", "sqlite"] = "sqlite"

    def __init__(self, shared: MemoryDatabase, travel: Callable[[], None]) -> None:
        self._shared = shared
        self._travel = travel

    def run(self, work: Callable[[Connection], T]) -> T:
        self._travel()
        try:
            return self._shared.run(work)
        finally:
            self._travel()

    def single(self, work: Callable[[Connection], T]) -> T:
        return self.run(work)

    def close(self) -> None:
        """The connection is not its own."""
