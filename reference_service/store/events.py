"""The outbox, the discards, and the register of instances."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from reference_service.domain import TERMINAL, Job, State
from reference_service.store.core import Store, add_discard, artefacts_prefix, outputs_prefix
from reference_service.store.tables import attempts, database_now, discards, instances, jobs, outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEvent:
    id: int
    job: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """Something in the object store that is to go. `kind` is prefix, object or multipart."""

    id: int
    job: str
    kind: str
    key: str
    upload_id: str | None


_DUE = (
    outbox.c.published_at.is_(None),
    or_(outbox.c.not_before.is_(None), outbox.c.not_before <= database_now()),
)
UNPUBLISHED = (
    select(outbox.c.id, outbox.c.job, outbox.c.body)
    .where(*_DUE)
    .order_by(outbox.c.id)
    .limit(bindparam("b_limit"))
)
# Whoever has least under way comes first: the n-th event of a tenant that has m jobs in the queue or at a
# worker stands at n + m. Turns alone would forget, from one look to the next, who has had one.
_UNDER_WAY = (
    select(jobs.c.tenant, func.count().label("jobs"))
    .where(
        or_(
            jobs.c.state == State.ACTIVE, and_(jobs.c.state == State.QUEUED, jobs.c.published_at.is_not(None))
        )
    )
    .group_by(jobs.c.tenant)
    .subquery()
)
_TURN = func.row_number().over(partition_by=jobs.c.tenant, order_by=outbox.c.id)
UNPUBLISHED_IN_TURN = (
    select(outbox.c.id, outbox.c.job, outbox.c.body)
    .join(jobs, jobs.c.id == outbox.c.job, isouter=True)
    .join(_UNDER_WAY, _UNDER_WAY.c.tenant == jobs.c.tenant, isouter=True)
    .where(*_DUE)
    .order_by(_TURN + func.coalesce(_UNDER_WAY.c.jobs, 0), outbox.c.id)
    .limit(bindparam("b_limit"))
)
MARK_EVENT = update(outbox).where(outbox.c.id == bindparam("b_event")).values(published_at=database_now())
MARK_JOB = (
    update(jobs)
    .where(jobs.c.id == bindparam("b_job"), jobs.c.state == State.QUEUED)
    .values(published_at=database_now())
)
PURGE_BATCH = 5000  # a statement has its time: one for what weeks have left would be cancelled in each sweep
PURGE_BATCHES_MAX = 100  # at a time: the sweeper has more to do
PURGE = delete(outbox).where(
    outbox.c.id.in_(
        select(outbox.c.id)
        .where(outbox.c.published_at < database_now() - bindparam("b_age_s"))
        .order_by(outbox.c.published_at)
        .limit(bindparam("b_limit"))
    )
)
_DISCARDS = select(discards.c.id, discards.c.job, discards.c.kind, discards.c.key, discards.c.upload_id)
DISCARDS_OF_JOB = _DISCARDS.where(discards.c.job == bindparam("b_job")).order_by(discards.c.id)
DISCARDS = (
    _DISCARDS.where(discards.c.created_at < database_now() - bindparam("b_age_s"))
    .order_by(discards.c.created_at, discards.c.id)
    .limit(100)
)
# Due at once, and behind whatever is due now: a list that begins with the same hundred for ever has no end.
PUT_OFF_DISCARD = (
    update(discards)
    .where(discards.c.id == bindparam("b_discard"))
    .values(created_at=database_now() - bindparam("b_age_s"))
)
DROP_DISCARD = delete(discards).where(discards.c.id == bindparam("b_discard"))
REGISTER = insert(instances).values(started_at=database_now(), heartbeat_at=database_now())
REGISTERED = ("id", "role", "boot_id", "pid", "address")  # its parameters
_IS_BOOT = (instances.c.id == bindparam("b_instance"), instances.c.boot_id == bindparam("b_boot"))
BEAT = (
    update(instances)
    .where(*_IS_BOOT)
    .values(
        heartbeat_at=database_now(),
        memory_bytes=bindparam("b_memory"),
        memory_budget_bytes=bindparam("b_budget"),
    )
    .returning(instances.c.id)
)
BEATS = select(instances.c.boot_id, instances.c.heartbeat_at).where(
    instances.c.id == bindparam("b_instance"),
    instances.c.role == bindparam("b_role"),
    instances.c.boot_id != bindparam("b_boot"),
    instances.c.stopped_at.is_(None),
    instances.c.heartbeat_at > database_now() - bindparam("b_within_s"),
)
ADDRESSES = (
    select(instances.c.address)
    .where(
        instances.c.address.is_not(None),
        instances.c.stopped_at.is_(None),
        instances.c.heartbeat_at > database_now() - bindparam("b_within_s"),
    )
    .order_by(instances.c.started_at.desc(), instances.c.id)
)
PURGE_INSTANCES = delete(instances).where(
    instances.c.heartbeat_at < database_now() - bindparam("b_age_s"),
    ~exists().where(
        attempts.c.instance == instances.c.id,
        attempts.c.boot_id == instances.c.boot_id,
        attempts.c.ended_at.is_(None),
    ),
)
STOP = update(instances).where(*_IS_BOOT).values(stopped_at=database_now())


def unpublished(store: Store, *, limit: int, fair: bool = False) -> Sequence[OutboxEvent]:
    """Events that are due and that nobody has handed to the queue yet, as they were written.

    `fair`: those of tenants with least under way come first.
    """
    statement = UNPUBLISHED_IN_TURN if fair else UNPUBLISHED

    def work(connection: Connection) -> Sequence[OutboxEvent]:
        rows = connection.execute(statement, {"b_limit": limit}).all()
        return [OutboxEvent(id=row.id, job=row.job, body=json.loads(row.body)) for row in rows]

    return store.single(work)


def mark_published(store: Store, event: OutboxEvent) -> None:
    """Records the publication with the event, and with its job as long as it waits."""

    def work(connection: Connection) -> None:
        connection.execute(MARK_EVENT, {"b_event": event.id})
        connection.execute(MARK_JOB, {"b_job": event.job})

    store.run(work)


def mark_announced(store: Store, job_id: str) -> None:
    """`outbox` off: the event went straight to the queue."""

    def work(connection: Connection) -> None:
        connection.execute(MARK_JOB, {"b_job": job_id})

    store.run(work)


def purge_published(store: Store, *, age_s: float) -> int:
    """Forgets events published longer than `age_s` ago, the oldest first, a batch at a time; how many.

    At most 100 batches: the rest is for the next time. Raises `Unavailable`; what is gone is gone.
    """
    values = {"b_age_s": age_s, "b_limit": PURGE_BATCH}
    forgotten = 0
    for _ in range(PURGE_BATCHES_MAX):
        gone = store.single(lambda connection: connection.execute(PURGE, values).rowcount)
        forgotten += gone
        if gone < PURGE_BATCH:
            break
    return forgotten


def discards_of(store: Store, job_id: str) -> Sequence[Discard]:
    return store.single(lambda c: [_discard(row) for row in c.execute(DISCARDS_OF_JOB, {"b_job": job_id})])


def overdue_discards(store: Store, *, age_s: float) -> Sequence[Discard]:
    """What whoever wrote it should have removed by now, the longest due first; at most 100."""
    return store.single(lambda c: [_discard(row) for row in c.execute(DISCARDS, {"b_age_s": age_s})])


def discard_stale(store: Store, current: Job, token: int) -> None:
    """For an attempt that found its job moved by somebody else: what it stored, since too, goes.

    Not what the job was published with: the attempt may have done that itself, and not have heard so.
    """

    def work(connection: Connection) -> None:
        if current.state in TERMINAL:
            add_discard(connection, current.id, "prefix", artefacts_prefix(current.id))
        prefix = outputs_prefix(current.id, token)
        if current.result_prefix != prefix:
            add_discard(connection, current.id, "prefix", prefix)

    store.run(work)


def discard_object(store: Store, job_id: str, key: str) -> None:
    """For an object that arrived when its job had expired."""
    store.run(lambda c: add_discard(c, job_id, "object", key))


def drop_discard(store: Store, discard: Discard) -> None:
    """Says that it was removed."""

    def work(connection: Connection) -> None:
        connection.execute(DROP_DISCARD, {"b_discard": discard.id})

    store.single(work)


def put_off_discard(store: Store, discard: Discard, *, age_s: float) -> None:
    """It could not be removed: `overdue_discards`, asked with the same `age_s`, has it last."""

    def work(connection: Connection) -> None:
        connection.execute(PUT_OFF_DISCARD, {"b_discard": discard.id, "b_age_s": age_s})

    store.single(work)


def register_instance(
    store: Store, *, instance: str, role: str, boot_id: str, pid: int, address: str | None = None
) -> None:
    """Idempotent for one boot id. `address`: where events are pushed to it."""

    def work(connection: Connection) -> None:
        known = {"b_instance": instance, "b_boot": boot_id, "b_memory": None, "b_budget": None}
        if connection.execute(BEAT, known).first() is None:
            row = (instance, role, boot_id, pid, address)
            connection.execute(REGISTER, dict(zip(REGISTERED, row, strict=True)))

    store.run(work)


def beat_instance(
    store: Store, *, instance: str, boot_id: str, memory: tuple[int, int] | None = None
) -> bool:
    """Says that the instance lives; False when nobody knows it (any more). `memory`: bytes in use, and the
    most that it may use."""
    used, budget = memory or (None, None)
    values = {"b_instance": instance, "b_boot": boot_id, "b_memory": used, "b_budget": budget}
    return store.single(lambda connection: connection.execute(BEAT, values).first() is not None)


def purge_instances(store: Store, *, age_s: float) -> int:
    """Forgets instances that were not heard of for `age_s` and have no attempt open; how many.

    Start-up cleanup judges open attempts by their instance, so a row with one stays until it is closed.
    """
    return store.single(lambda connection: connection.execute(PURGE_INSTANCES, {"b_age_s": age_s}).rowcount)


def beats_of_others(
    store: Store, *, instance: str, role: str, boot_id: str, within_s: float
) -> Mapping[str, float]:
    """Last heartbeats, by boot id, of other processes under this name that were heard of `within_s`."""
    values = {"b_instance": instance, "b_role": role, "b_boot": boot_id, "b_within_s": within_s}
    return store.single(lambda c: {row.boot_id: row.heartbeat_at for row in c.execute(BEATS, values)})


def addresses(store: Store, *, within_s: float) -> Sequence[str]:
    """Where events are pushed to: instances that were heard of `within_s`, the newest first."""
    return store.single(lambda c: list(c.execute(ADDRESSES, {"b_within_s": within_s}).scalars()))


def stop_instance(store: Store, *, instance: str, boot_id: str) -> None:
    """Says that the instance has ended in good order."""

    def work(connection: Connection) -> None:
        connection.execute(STOP, {"b_instance": instance, "b_boot": boot_id})

    store.single(work)


def _discard(row: Any) -> Discard:
    return Discard(id=row.id, job=row.job, kind=row.kind, key=row.key, upload_id=row.upload_id)
