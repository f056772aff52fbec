"""Who may run a recovery sweep, whether anybody may, and the record of each run.

One row of `recovery_control` holds the lease of the run that is under way and the pause. Everything that a
run writes is in a transaction that renews its lease first, so a run that was held up for longer than that,
and whose lease another one took, writes nothing more:

1. run A lists its jobs and freezes, 2. its lease ends, run B takes it and goes on, 3. A wakes: its token is
no longer the row's, and it ends as `lost`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import bindparam, case, delete, func, insert, or_, select, text, update
from sqlalchemy.engine import Connection

from reference_service.store.core import Store
from reference_service.store.tables import database_now, recovery_control, recovery_items, recovery_runs

T = TypeVar("T")
KEEP_RUNS_S = 30 * 24 * 3600.0
_control, _runs, _items = recovery_control.c, recovery_runs.c, recovery_items.c


class RunState(StrEnum):
    """What became of a run."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # its process was told to stop, or recovery was paused meanwhile
    LOST = "lost"  # another run took its lease: it had been held up for too long
    ABANDONED = "abandoned"  # its process died: the next run says so
    UNAVAILABLE = "unavailable"  # a dependency was away


class Decision(StrEnum):
    """What a run did with a job that it found."""

    TRIGGERED = "triggered"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The one row. `holder` is None when no run has the lease (any more)."""

    paused_at: float | None
    paused_by: str | None
    holder: str | None
    now: float  # the database's


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave to run. `exclusive` False (`recovery_single_flight` off): nobody is kept out, and nobody asks."""

    run: int
    token: int
    lease_s: float
    exclusive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of `recovery_runs`. Times are the database's."""

    id: int
    trigger: str
    actor: str
    state: RunState
    started_at: float
    ended_at: float | None
    found: int
    triggered: int
    skipped: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one run did with one job. `state` is the one in which it was found."""

    run: int
    job: str
    decision: Decision
    reason: str | None
    state: str
    age_s: float  # from the job's creation to the decision
    at: float = 0.0


class NotNow(Exception):  # noqa: N818  an answer, not a bug
    """No run may begin: another one is under way, or recovery is paused; the text says which."""


class Paused(NotNow):
    """Recovery is paused."""


class Halted(Exception):  # noqa: N818  a condition, not a bug
    """The run has to end: `state` says as what."""

    def __init__(self, state: RunState) -> None:
        super().__init__(state.value)
        self.state = state


# Both databases know it; SQLAlchemy has it in its dialects only.
ENSURE = text("INSERT INTO recovery_control (id, token) VALUES (1, 0) ON CONFLICT DO NOTHING")
CONTROL = select(recovery_control, database_now()).where(_control.id == 1)
LOCK_CONTROL = CONTROL.with_for_update()
TAKE = (
    update(recovery_control)
    .where(_control.id == 1)
    .values(
        token=_control.token + 1,
        holder=bindparam("b_holder"),
        lease_expires_at=database_now() + bindparam("b_lease_s"),
    )
    .returning(_control.token)
)
TAKE_FOR_EVER = (
    update(recovery_control)
    .where(_control.id == 1)
    .values(token=_control.token + 1, holder=bindparam("b_holder"), lease_expires_at=None)
    .returning(_control.token)
)
_IS_OURS = (_control.id == 1, _control.token == bindparam("b_token"), _control.holder.is_not(None))
RENEW = (
    update(recovery_control)
    .where(*_IS_OURS)
    .values(
        lease_expires_at=case(
            (_control.lease_expires_at.is_(None), None), else_=database_now() + bindparam("b_lease_s")
        )
    )
    .returning(_control.paused_at)
)
RELEASE = update(recovery_control).where(*_IS_OURS).values(holder=None, lease_expires_at=None)
PAUSE = (
    update(recovery_control)
    .where(_control.id == 1, _control.paused_at.is_(None))
    .values(paused_at=database_now(), paused_by=bindparam("b_by"))
)
RESUME = update(recovery_control).where(_control.id == 1).values(paused_at=None, paused_by=None)
BEGIN = (
    insert(recovery_runs)
    .values(state=RunState.RUNNING, started_at=database_now(), found=0, triggered=0, skipped=0, failed=0)
    .returning(_runs.id)
)
ABANDON = (
    update(recovery_runs)
    .where(_runs.state == RunState.RUNNING)
    .values(state=RunState.ABANDONED, ended_at=database_now())
)
COUNT = (
    update(recovery_runs)
    .where(_runs.id == bindparam("b_run"))
    .values(
        found=_runs.found + bindparam("b_found"),
        triggered=_runs.triggered + bindparam("b_triggered"),
        skipped=_runs.skipped + bindparam("b_skipped"),
        failed=_runs.failed + bindparam("b_failed"),
    )
)
END = (
    update(recovery_runs)
    .where(_runs.id == bindparam("b_run"), _runs.state == RunState.RUNNING)
    .values(state=bindparam("b_state"), ended_at=database_now())
)
ADD_ITEM = insert(recovery_items).values(at=database_now())
RUNS = select(recovery_runs).order_by(_runs.id.desc()).limit(bindparam("b_limit"))
RUN = select(recovery_runs).where(_runs.id == bindparam("b_run"))
ITEMS = select(recovery_items).where(_items.run == bindparam("b_run")).order_by(_items.at, _items.job)
LAST_SCHEDULED = select(func.max(_runs.started_at)).where(_runs.trigger == "schedule")
PURGE_ITEMS = delete(recovery_items).where(_items.at < database_now() - bindparam("b_age_s"))
PURGE_RUNS = delete(recovery_runs).where(
    or_(_runs.ended_at.is_not(None), _runs.state != RunState.RUNNING),
    _runs.started_at < database_now() - bindparam("b_age_s"),
)


def control(store: Store) -> Control:
    """Whether recovery is paused, and who runs it now."""
    row = store.single(lambda connection: connection.execute(CONTROL).first())
    return Control(paused_at=None, paused_by=None, holder=None, now=0.0) if row is None else _control_of(row)


def _control_of(row: Any) -> Control:
    now = row[-1]
    held = row.holder is not None and (row.lease_expires_at is None or row.lease_expires_at >= now)
    return Control(
        paused_at=row.paused_at, paused_by=row.paused_by, holder=row.holder if held else None, now=now
    )


def pause(store: Store, *, by: str) -> Control:
    """Nobody begins a run until `resume`, and one that is under way ends before its next job. Idempotent."""

    def work(connection: Connection) -> Control:
        connection.execute(ENSURE)
        connection.execute(PAUSE, {"b_by": by})
        return _control_of(connection.execute(CONTROL).one())

    return store.run(work)


def resume(store: Store) -> bool:
    """Takes the pause away; False when there was none."""

    def work(connection: Connection) -> bool:
        row = connection.execute(LOCK_CONTROL).first()
        connection.execute(RESUME)
        return row is not None and row.paused_at is not None

    return store.run(work)


def begin(store: Store, *, trigger: str, lease_s: float | None, exclusive: bool) -> Grant:
    """Takes the lease and opens the record of a run, both or neither.

    `lease_s` None (`recovery_lease_expiry` off): it never ends by itself. Raises `NotNow`.
    """

    def work(connection: Connection) -> Grant:
        connection.execute(ENSURE)
        now = _control_of(connection.execute(LOCK_CONTROL).one())
        if now.paused_at is not None:
            raise Paused(f"recovery is paused since {now.paused_at:.3f} by {now.paused_by}; resume it first")
        token = 0
        if exclusive:
            if now.holder is not None:
                raise NotNow(f"a recovery run of {now.holder} is under way; look at its record")
            connection.execute(ABANDON)
            take = TAKE_FOR_EVER if lease_s is None else TAKE
            values = {"b_holder": store.actor} | ({} if lease_s is None else {"b_lease_s": lease_s})
            token = connection.execute(take, values).scalar_one()
        run = connection.execute(BEGIN, {"trigger": trigger, "actor": store.actor}).scalar_one()
        return Grant(run=run, token=token, lease_s=lease_s or 0.0, exclusive=exclusive)

    return store.run(work)


def under(store: Store, grant: Grant, work: Callable[[Connection], T]) -> T:
    """`work` in a transaction in which the run still has its lease, which is renewed.

    Raises `Halted`, with nothing written, when it has not, or when recovery was paused.
    """

    def guarded(connection: Connection) -> T:
        if grant.exclusive:
            values = {"b_token": grant.token, "b_lease_s": grant.lease_s}
            row = connection.execute(RENEW, values).first()
            if row is None:
                raise Halted(RunState.LOST)
            if row.paused_at is not None:
                raise Halted(RunState.STOPPED)
        return work(connection)

    return store.run(guarded)


def renew(store: Store, grant: Grant) -> None:
    """Keeps the lease while nothing is written. Raises `Halted`."""
    under(store, grant, lambda _: None)


def note_found(store: Store, grant: Grant, found: int) -> None:
    """Says how many jobs the run found. Raises `Halted`."""
    under(store, grant, lambda connection: _count(connection, grant.run, found=found))


def add_item(connection: Connection, item: Item) -> None:
    """Records a decision, and counts it, in the transaction that made it."""
    row = {
        "run": item.run, "job": item.job, "decision": item.decision, "reason": item.reason,
        "state": item.state, "age_s": item.age_s,
    }  # fmt: skip
    connection.execute(ADD_ITEM, row)
    _count(connection, item.run, **{item.decision.value: 1})


def _count(connection: Connection, run: int, **more: int) -> None:
    names = ("found", "triggered", "skipped", "failed")
    connection.execute(COUNT, {"b_run": run} | {f"b_{name}": more.get(name, 0) for name in names})


def end(store: Store, grant: Grant, state: RunState) -> None:
    """Closes the record and gives the lease back; what is older than 30 days is forgotten. Idempotent."""

    def work(connection: Connection) -> None:
        connection.execute(END, {"b_run": grant.run, "b_state": state})
        if grant.exclusive:
            connection.execute(RELEASE, {"b_token": grant.token})
        for statement in (PURGE_ITEMS, PURGE_RUNS):
            connection.execute(statement, {"b_age_s": KEEP_RUNS_S})

    store.run(work)


def runs(store: Store, *, limit: int) -> Sequence[Run]:
    """The newest first."""
    return store.single(lambda c: [_run_of(row) for row in c.execute(RUNS, {"b_limit": limit})])


def run_and_items(store: Store, run: int) -> tuple[Run, Sequence[Item]] | None:
    """One run with what it did, in order; None: no such run."""

    def work(connection: Connection) -> tuple[Run, Sequence[Item]] | None:
        row = connection.execute(RUN, {"b_run": run}).first()
        if row is None:
            return None
        items: Any = connection.execute(ITEMS, {"b_run": run}).mappings()
        return _run_of(row), [Item(**{**one, "decision": Decision(one["decision"])}) for one in items]

    return store.run(work)


def last_scheduled(store: Store) -> float | None:
    """When the schedule last began a run, by the database's clock; None: never."""
    return store.single(lambda connection: connection.execute(LAST_SCHEDULED).scalar())


def _run_of(row: Any) -> Run:
    return Run(**{**row._asdict(), "state": RunState(row.state)})
