"""What clients make of a job: create, uploaded, expire, cancel; and how it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from reference_service.domain import RETRYABLE, STAGES, TERMINAL, Job, Outcome, Reason, State
from reference_service.store.core import (
    AttemptEnd,
    Store,
    add_event,
    current_state,
    job_of,
    locked_job,
    move,
)
from reference_service.store.tables import checkpoints, database_now, jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What is known of a job when it is created. `state` is awaiting_upload, or queued for a retry."""

    id: str
    tenant: str
    name: str
    upload_key: str
    upload_deadline_s: float  # from now
    upload_id: str | None = None
    expected_bytes: int | None = None
    etag: str | None = None
    size_bytes: int | None = None
    retry_of: str | None = None
    state: State = State.AWAITING_UPLOAD
    trace: str | None = None


CREATE = (
    insert(jobs)
    .values(
        attempt=0,
        charged=0,
        token=0,
        upload_deadline=database_now() + bindparam("b_deadline_s"),
        created_at=database_now(),
        updated_at=database_now(),
    )
    .returning(*jobs.c)
)
GET = select(*jobs.c).where(jobs.c.id == bindparam("b_job"))
LIVE_RETRY = (
    select(*jobs.c)
    .where(jobs.c.retry_of == bindparam("b_job"), jobs.c.state.not_in(RETRYABLE))
    .order_by(jobs.c.created_at, jobs.c.id)
    .limit(1)
)
LIST = (
    select(*jobs.c)
    .where(
        jobs.c.tenant == bindparam("b_tenant"),
        or_(
            jobs.c.created_at < bindparam("b_before"),
            and_(jobs.c.created_at == bindparam("b_before"), jobs.c.id < bindparam("b_before_id")),
        ),
    )
    .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
    .limit(bindparam("b_limit"))
)
LIST_STATE = LIST.where(jobs.c.state == bindparam("b_state"))
_SOME = (
    select(jobs.c.tenant)
    .where(
        or_(
            jobs.c.state == State.QUEUED,
            and_(
                jobs.c.state == State.AWAITING_UPLOAD,
                jobs.c.updated_at > database_now() - bindparam("b_lately_s"),
            ),
        )
    )
    .limit(bindparam("b_most"))
    .subquery()
)
COUNT_UP_TO = select(
    func.count(), func.count(case((_SOME.c.tenant == bindparam("b_tenant"), 1)))
).select_from(_SOME)
ORPHANED = (
    select(*jobs.c)
    .where(
        jobs.c.tenant == bindparam("b_tenant"),
        jobs.c.updated_at < database_now() - bindparam("b_age_s"),
        or_(
            jobs.c.state == State.QUEUED,
            and_(jobs.c.state == State.ACTIVE, jobs.c.lease_expires_at < database_now()),
            and_(jobs.c.state == State.AWAITING_UPLOAD, jobs.c.upload_deadline < database_now()),
        ),
    )
    .order_by(jobs.c.updated_at)
    .limit(1000)
)
DONE_STAGES = select(checkpoints.c.stage).where(
    checkpoints.c.job == bindparam("b_job"), checkpoints.c.position == 0
)

_UPLOADED: Mapping[str, Any] = {
    "state": State.QUEUED,
    "etag": bindparam("b_etag"),
    "size_bytes": bindparam("b_size"),
    "published_at": None,
    "updated_at": database_now(),
}
MARK_UPLOADED = (
    update(jobs)
    .where(jobs.c.id == bindparam("b_job"), jobs.c.state == State.AWAITING_UPLOAD)
    .values(_UPLOADED)
    .returning(*jobs.c)
)
QUEUE_WHATEVER = update(jobs).where(jobs.c.id == bindparam("b_job")).values(_UPLOADED).returning(*jobs.c)
FAIL_UPLOAD = (
    update(jobs)
    .where(jobs.c.id == bindparam("b_job"), jobs.c.state == State.AWAITING_UPLOAD)
    .values(state=State.FAILED, reason=bindparam("b_reason"), updated_at=database_now())
    .returning(*jobs.c)
)
CANCEL = (
    update(jobs)
    .where(jobs.c.id == bindparam("b_job"), jobs.c.state == bindparam("b_state"))
    .values(state=State.CANCELLED, lease_expires_at=None, updated_at=database_now())
    .returning(*jobs.c)
)


def create_job(store: Store, new: NewJob, *, announce_early: bool = False) -> Job:
    """Creates and returns the job; or the retry of the same job, made before, that may yet succeed or did.

    `announce_early` (defence off) publishes it before its upload.
    """
    values = {
        "id": new.id,
        "tenant": new.tenant,
        "name": new.name,
        "state": new.state,
        "upload_key": new.upload_key,
        "upload_id": new.upload_id,
        "expected_bytes": new.expected_bytes,
        "etag": new.etag,
        "size_bytes": new.size_bytes,
        "retry_of": new.retry_of,
        "trace": new.trace,
        "b_deadline_s": new.upload_deadline_s,
    }

    def work(connection: Connection) -> Job:
        if new.retry_of is not None:
            current_state(connection, new.retry_of)  # locks it: of two calls at once, one comes second
            known = connection.execute(LIVE_RETRY, {"b_job": new.retry_of}).first()
            if known is not None:
                return job_of(known)
        job = move(connection, store, CREATE, values, source=None)
        assert job is not None, "an INSERT without a condition returns its row"
        if announce_early and store.outbox:
            add_event(connection, job.id, job.trace)
        return job

    return store.run(work)


def get_job(store: Store, job_id: str) -> Job | None:
    row = store.single(lambda connection: connection.execute(GET, {"b_job": job_id}).first())
    return None if row is None else job_of(row)


def count_waiting(store: Store, tenant: str, *, most: int, lately_s: float) -> tuple[int, int]:
    """Jobs that wait for a worker, or were announced `lately_s` and so will, and how many of them are the
    tenant's; `most` are counted."""
    values = {"b_tenant": tenant, "b_most": most, "b_lately_s": lately_s}
    waiting, own = store.single(lambda connection: connection.execute(COUNT_UP_TO, values).one())
    return int(waiting), int(own)


def live_retry(store: Store, job_id: str) -> Job | None:
    """The retry of a job that may yet succeed, or did; None: there is none."""
    row = store.single(lambda connection: connection.execute(LIVE_RETRY, {"b_job": job_id}).first())
    return None if row is None else job_of(row)


def list_jobs(
    store: Store,
    tenant: str,
    *,
    limit: int,
    state: State | None = None,
    before: tuple[float, str] | None = None,
) -> Sequence[Job]:
    """Newest first; `before` is (created_at, id) of the last one of the page before."""
    at, job_id = before or (float("inf"), "")
    values = {"b_tenant": tenant, "b_before": at, "b_before_id": job_id, "b_limit": limit, "b_state": state}
    if state is None:
        del values["b_state"]
    statement = LIST if state is None else LIST_STATE
    return store.single(lambda connection: [job_of(row) for row in connection.execute(statement, values)])


def orphaned_jobs(store: Store, tenant: str, *, age_s: float) -> Sequence[Job]:
    """Jobs that nobody holds and that have not moved for `age_s`, oldest first; at most 1000."""
    values = {"b_tenant": tenant, "b_age_s": age_s}
    return store.single(lambda connection: [job_of(row) for row in connection.execute(ORPHANED, values)])


def done_stages(store: Store, job_id: str) -> frozenset[str]:
    """Stages with a checkpoint; none once the job has ended."""
    return store.single(
        lambda connection: frozenset(connection.execute(DONE_STAGES, {"b_job": job_id}).scalars())
    )


def mark_uploaded(store: Store, job_id: str, *, etag: str | None, size_bytes: int | None) -> Job | None:
    """awaiting_upload -> queued, with its event; None when it was not awaiting its upload.

    Any number of completions may come at once: exactly one of them gets the job.
    """
    values = {"b_job": job_id, "b_etag": etag, "b_size": size_bytes}
    return store.run(lambda c: move(c, store, MARK_UPLOADED, values, source=State.AWAITING_UPLOAD))


def queue_whatever(store: Store, job_id: str, *, etag: str | None, size_bytes: int | None) -> Job | None:
    """`complete_idempotency` off: queued again from any state. None when there is no such job."""
    values = {"b_job": job_id, "b_etag": etag, "b_size": size_bytes}

    def work(connection: Connection) -> Job | None:
        source = current_state(connection, job_id)
        return None if source is None else move(connection, store, QUEUE_WHATEVER, values, source=source)

    return store.run(work)


def fail_upload(store: Store, job_id: str, reason: Reason) -> Job | None:
    """awaiting_upload -> failed: what was uploaded is not what was announced."""
    values = {"b_job": job_id, "b_reason": reason}
    return store.run(lambda c: move(c, store, FAIL_UPLOAD, values, source=State.AWAITING_UPLOAD))


def cancel_job(store: Store, job_id: str) -> Job | None:
    """-> cancelled from any state that is not terminal; None when it was terminal, or is unknown.

    None also once it is being published: 1. the downstream system hears of the result, 2. the client
    cancels, 3. the worker would make the job succeed, and may not. Nobody could take back what 1 did.
    That holds for good: if the attempt dies after 1, the next one begins with other stages.
    A worker that runs it learns by its next heartbeat. The attempt is closed here, uncharged.
    """

    def work(connection: Connection) -> Job | None:
        job = locked_job(connection, job_id)
        if job is None or job.state in TERMINAL:
            return None
        if job.stage == STAGES[-1] or job.effect_at is not None:
            return None
        source = job.state
        end = AttemptEnd(outcome=Outcome.HANDED_BACK) if source is State.ACTIVE else None
        return move(connection, store, CANCEL, {"b_job": job_id, "b_state": source}, source=source, end=end)

    return store.run(work)
