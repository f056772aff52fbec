"""What an operator asks of the database: jobs that nobody holds, why jobs failed, who lives. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, case, exists, func, or_, select
from sqlalchemy.engine import Connection

from reference_service.domain import TERMINAL, Job, State
from reference_service.store import breakers
from reference_service.store.core import COLUMNS, Store, job_of
from reference_service.store.tables import attempts, database_now, instances, jobs, outbox

BATCH = 100
WIDTH = len(COLUMNS)  # of a job; what is asked beside it comes behind
NOW = select(database_now())
_ITS_ATTEMPT = and_(attempts.c.job == jobs.c.id, attempts.c.attempt == jobs.c.attempt)
_ITS_INSTANCE = and_(instances.c.id == attempts.c.instance, instances.c.boot_id == attempts.c.boot_id)
_HEARD_AT = func.coalesce(instances.c.heartbeat_at, attempts.c.started_at)
_LEASE_OVER = or_(jobs.c.lease_expires_at.is_(None), jobs.c.lease_expires_at < database_now())
_DEAD = and_(
    attempts.c.ended_at.is_(None),
    or_(instances.c.stopped_at.is_not(None), database_now() - _HEARD_AT > bindparam("b_dead_after_s")),
)
# Active, and held by nobody who lives. Either row may be missing: without them the lease decides.
UNHELD = (
    select(
        *jobs.c,
        attempts.c.instance.label("x_instance"),
        _HEARD_AT.label("x_heard_at"),
        case((_LEASE_OVER, 1), else_=0).label("x_lease_over"),
        database_now().label("x_now"),
    )
    .select_from(jobs.outerjoin(attempts, _ITS_ATTEMPT).outerjoin(instances, _ITS_INSTANCE))
    .where(jobs.c.state == State.ACTIVE, or_(_LEASE_OVER, _DEAD))
    .order_by(jobs.c.updated_at, jobs.c.id)
    .limit(BATCH)
    .offset(bindparam("b_skip"))
)
UNHEARD = (
    select(*jobs.c, database_now().label("x_now"))
    .where(
        jobs.c.state == State.QUEUED,
        func.coalesce(jobs.c.published_at, jobs.c.updated_at) < database_now() - bindparam("b_after_s"),
        ~exists().where(outbox.c.job == jobs.c.id, outbox.c.published_at.is_(None)),
    )
    .order_by(jobs.c.updated_at, jobs.c.id)
    .limit(BATCH)
    .offset(bindparam("b_skip"))
)
LATE = (
    select(*jobs.c, database_now().label("x_now"))
    .where(jobs.c.state == State.AWAITING_UPLOAD, jobs.c.upload_deadline < database_now())
    .order_by(jobs.c.upload_deadline)
    .limit(BATCH)
)
STATES = select(jobs.c.state, func.count(), func.min(jobs.c.updated_at)).group_by(jobs.c.state)
ERRORS = (
    select(
        jobs.c.reason,
        func.count(),
        func.sum(case((jobs.c.updated_at > database_now() - 3600.0, 1), else_=0)),
        func.max(jobs.c.updated_at),
    )
    .where(jobs.c.state == State.FAILED)
    .group_by(jobs.c.reason)
    .order_by(func.count().desc())
)
OUTBOX = select(func.count(), func.min(outbox.c.created_at)).where(outbox.c.published_at.is_(None))
CHARGED = (
    select(jobs.c.charged, func.count())
    .where(jobs.c.state.not_in(sorted(TERMINAL)))
    .group_by(jobs.c.charged)
    .order_by(jobs.c.charged)
)
LIVE = (
    select(*instances.c)
    .where(
        instances.c.stopped_at.is_(None),
        instances.c.heartbeat_at > database_now() - bindparam("b_dead_after_s"),
    )
    .order_by(instances.c.role, instances.c.id)
)
RUNNING = (
    select(attempts.c.instance, attempts.c.boot_id, func.count())
    .where(attempts.c.ended_at.is_(None))
    .group_by(attempts.c.instance, attempts.c.boot_id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheld:
    """A job that waits for nobody. `age_s`: since it last moved. `lease_over`: nobody may say he holds it."""

    job: Job
    why: str
    age_s: float
    lease_over: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One reading, in one transaction. Ages are seconds by the database's clock."""

    now: float
    states: Mapping[str, tuple[int, float]]  # state -> jobs, since the one that rests longest moved
    errors: Sequence[tuple[str, int, int, float]]  # reason, jobs, of the last hour, since the last one
    outbox: tuple[int, float | None]  # events that wait, the age of the oldest
    charged: Mapping[int, int]  # attempts that count -> open jobs with so many
    breakers: Sequence[breakers.State]  # of dependencies that have failed before
    instances: Sequence[Mapping[str, Any]]


def unheld(store: Store, *, dead_after_s: float, skip: int = 0) -> Sequence[Unheld]:
    """Active jobs that no live instance holds, the longest unmoved first; at most 100, behind `skip`."""

    def work(connection: Connection) -> Sequence[Unheld]:
        rows = connection.execute(UNHELD, {"b_dead_after_s": dead_after_s, "b_skip": skip}).all()
        return [_unheld(row) for row in rows]

    return store.single(work)


def _unheld(row: Any) -> Unheld:
    over = bool(row.x_lease_over)
    if row.x_instance is None:
        why = "its attempt is on no record, and its lease is over"
    elif over:
        why = f"the lease of {row.x_instance} is over"
    else:
        why = f"{row.x_instance} is gone, last heard of {row.x_now - row.x_heard_at:.0f} s ago"
    return Unheld(job=job_of(row[:WIDTH]), why=why, age_s=_ago(row.x_now, row.updated_at), lease_over=over)


def unheard(store: Store, *, after_s: float, skip: int = 0) -> Sequence[Unheld]:
    """Queued jobs whose event was sent so long ago that it must have been consumed or lost; at most 100,
    behind `skip`.
    """
    return _waiting(
        store, UNHEARD, {"b_after_s": after_s, "b_skip": skip}, "its event was lost, or never sent"
    )


def late(store: Store) -> Sequence[Unheld]:
    """Jobs whose upload deadline has passed; at most 100."""
    return _waiting(store, LATE, {}, "its upload deadline has passed")


def _waiting(store: Store, statement: Any, values: Mapping[str, Any], why: str) -> Sequence[Unheld]:
    def work(connection: Connection) -> Sequence[Unheld]:
        return [
            Unheld(job=job_of(row[:WIDTH]), why=why, age_s=_ago(row.x_now, row.updated_at))
            for row in connection.execute(statement, values)
        ]

    return store.single(work)


def overview(store: Store, *, dead_after_s: float) -> Overview:
    """Everything that is counted."""

    def work(connection: Connection) -> Overview:
        now = float(connection.execute(NOW).scalar_one())
        waiting, oldest = connection.execute(OUTBOX).one()
        running = {(row[0], row[1]): row[2] for row in connection.execute(RUNNING)}
        live = connection.execute(LIVE, {"b_dead_after_s": dead_after_s}).mappings().all()
        return Overview(
            now=now,
            states={row[0]: (row[1], _ago(now, row[2])) for row in connection.execute(STATES)},
            errors=[
                (row[0] or "none given", row[1], int(row[2]), _ago(now, row[3]))
                for row in connection.execute(ERRORS)
            ],
            outbox=(waiting, None if oldest is None else _ago(now, oldest)),
            charged={row[0]: row[1] for row in connection.execute(CHARGED)},
            breakers=breakers.states(connection),
            instances=[
                {
                    "role": row["role"],
                    "instance": row["id"],
                    "pid": row["pid"],
                    "up_s": _ago(now, row["started_at"]),
                    "heard_s": _ago(now, row["heartbeat_at"]),
                    "jobs": running.get((row["id"], row["boot_id"]), 0),
                    "address": row["address"],
                }
                for row in live
            ],
        )

    return store.run(work)


def _ago(now: float, then: float) -> float:
    return round(max(0.0, now - then), 3)
