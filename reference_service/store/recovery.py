"""What brings back a job whose holder is gone: expired leases, dead instances, lost events, late uploads.

The lists say who may be in need; each decision is again one conditional statement, so that any number of
sweepers, and the jobs' own workers, may act at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select, update
from sqlalchemy.engine import Connection

from reference_service.domain import Job, Outcome, Reason, State, used_up
from reference_service.store.core import AttemptEnd, Store, add_event, job_of, locked_job, move
from reference_service.store.tables import attempts, database_now, instances, jobs, outbox

BATCH = 100

EXPIRED_LEASES = (
    select(*jobs.c)
    .where(jobs.c.state == State.ACTIVE, jobs.c.lease_expires_at < database_now())
    .order_by(jobs.c.lease_expires_at)
    .limit(BATCH)
)
# An attempt is dead when its instance said good-bye, has not been heard of for long, or has been started
# again under the same name. One that nobody registered is judged by when it began.
DEAD_ATTEMPTS = (
    select(*jobs.c)
    .join(attempts, and_(attempts.c.job == jobs.c.id, attempts.c.attempt == jobs.c.attempt))
    .outerjoin(
        instances, and_(instances.c.id == attempts.c.instance, instances.c.boot_id == attempts.c.boot_id)
    )
    .where(
        jobs.c.state == State.ACTIVE,
        attempts.c.ended_at.is_(None),
        attempts.c.boot_id != bindparam("b_boot"),
        or_(
            attempts.c.instance == bindparam("b_instance"),
            instances.c.stopped_at.is_not(None),
            func.coalesce(instances.c.heartbeat_at, attempts.c.started_at)
            < database_now() - bindparam("b_dead_after_s"),
        ),
    )
    .limit(BATCH)
)
# What a clean-up that asks for nobody's life would take for left behind.
OPEN_ATTEMPTS = (
    select(*jobs.c)
    .join(attempts, and_(attempts.c.job == jobs.c.id, attempts.c.attempt == jobs.c.attempt))
    .where(
        jobs.c.state == State.ACTIVE,
        attempts.c.ended_at.is_(None),
        attempts.c.boot_id != bindparam("b_boot"),
    )
    .limit(BATCH)
)
# This one is not among them: it has not ended.
LOST_BEFORE = select(func.count()).where(
    attempts.c.job == bindparam("b_job"), attempts.c.outcome == Outcome.LOST
)
_LOST = {"worker": None, "lease_expires_at": None, "published_at": None, "updated_at": database_now()}
_HELD_BY = (
    jobs.c.id == bindparam("b_job"),
    jobs.c.state == State.ACTIVE,
    jobs.c.token == bindparam("b_token"),
)
_EXPIRED = jobs.c.lease_expires_at < database_now()
# (only when the lease has expired?) -> statement. A lease that was renewed since the list was read stays.
REQUEUE_LOST = {
    expired: update(jobs)
    .where(*_HELD_BY, *((_EXPIRED,) if expired else ()))
    .values({**_LOST, "state": State.QUEUED, "charged": jobs.c.charged - bindparam("b_uncharge")})
    .returning(*jobs.c)
    for expired in (True, False)
}
FAIL_LOST = {
    expired: update(jobs)
    .where(*_HELD_BY, *((_EXPIRED,) if expired else ()))
    .values({**_LOST, "state": State.FAILED, "reason": bindparam("b_reason")})
    .returning(*jobs.c)
    for expired in (True, False)
}
NOW = select(database_now())
LATE_UPLOADS = (
    select(*jobs.c)
    .where(jobs.c.state == State.AWAITING_UPLOAD, jobs.c.upload_deadline < database_now())
    .order_by(jobs.c.upload_deadline)
    .limit(BATCH)
)
_LATE = (
    jobs.c.id == bindparam("b_job"),
    jobs.c.state == State.AWAITING_UPLOAD,
    jobs.c.upload_deadline < database_now(),
)
EXPIRE_UPLOAD = (
    update(jobs).where(*_LATE).values(state=State.EXPIRED, updated_at=database_now()).returning(*jobs.c)
)
PUT_OFF_UPLOAD = (
    update(jobs)
    .where(*_LATE)
    .values(upload_deadline=database_now() + bindparam("b_more_s"))
    .returning(jobs.c.id)
)
# Queued by hand: whoever queues a job in good order has verified its upload, and says so with its ETag.
UNVERIFIED = (
    select(*jobs.c)
    .where(jobs.c.state == State.QUEUED, jobs.c.etag.is_(None))
    .order_by(jobs.c.updated_at)
    .limit(BATCH)
)
_UNVERIFIED = (jobs.c.id == bindparam("b_job"), jobs.c.state == State.QUEUED, jobs.c.etag.is_(None))
PUT_BACK = (
    update(jobs)
    .where(*_UNVERIFIED)
    .values(state=State.AWAITING_UPLOAD, updated_at=database_now())
    .returning(*jobs.c)
)
VERIFY = (
    update(jobs)
    .where(*_UNVERIFIED)
    .values(
        etag=bindparam("b_etag"), size_bytes=bindparam("b_size"), published_at=None, updated_at=database_now()
    )
    .returning(*jobs.c)
)
# Without a live event: nothing of it waits in the outbox, and what was published was so long ago that it
# must have been consumed or lost.
UNANNOUNCED = (
    select(jobs.c.id)
    .where(
        jobs.c.state == State.QUEUED,
        func.coalesce(jobs.c.published_at, jobs.c.updated_at) < database_now() - bindparam("b_after_s"),
        or_(jobs.c.not_before.is_(None), jobs.c.not_before < database_now()),
        ~exists().where(outbox.c.job == jobs.c.id, outbox.c.published_at.is_(None)),
    )
    .order_by(jobs.c.updated_at)
    .limit(BATCH)
)
ONE_UNANNOUNCED = UNANNOUNCED.where(jobs.c.id == bindparam("b_job"))
# Conditional like every decision, and it makes the job unfit for the list above until the period is over.
ANNOUNCE_AGAIN = (
    update(jobs)
    .where(
        jobs.c.id == bindparam("b_job"),
        jobs.c.state == State.QUEUED,
        func.coalesce(jobs.c.published_at, jobs.c.updated_at) < database_now() - bindparam("b_after_s"),
    )
    .values(published_at=database_now())
    .returning(jobs.c.trace)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateUpload:
    """A job past its upload deadline; `now` is the database's, when the list was read."""

    job: Job
    now: float


def expired_leases(store: Store) -> Sequence[Job]:
    """Active jobs whose lease ran out, the oldest first; at most 100."""
    return store.single(lambda connection: [job_of(row) for row in connection.execute(EXPIRED_LEASES)])


def dead_attempts(store: Store, *, instance: str, boot_id: str, dead_after_s: float) -> Sequence[Job]:
    """Active jobs whose attempt belongs to an instance that is dead, as seen from this new one."""
    values = {"b_instance": instance, "b_boot": boot_id, "b_dead_after_s": dead_after_s}
    return store.single(lambda connection: [job_of(row) for row in connection.execute(DEAD_ATTEMPTS, values)])


def open_attempts(store: Store, *, boot_id: str) -> Sequence[Job]:
    """Active jobs with an open attempt of anybody but this boot, dead or alive."""
    return store.single(lambda c: [job_of(row) for row in c.execute(OPEN_ATTEMPTS, {"b_boot": boot_id})])


def give_back(
    store: Store, job: Job, *, attempts_max: int | None, losses_spared: int, only_expired: bool
) -> Job | None:
    """A lost attempt's job -> queued, or failed when its attempts are used up (None: never). Of its attempts
    that are lost the first `losses_spared` are not charged.

    None when it is no longer held under that token (or, `only_expired`, its lease was renewed).
    """

    def work(connection: Connection) -> Job | None:
        # As it is now: 1. the list of late jobs is read, 2. the late attempt begins the job's effect,
        # 3. the job, with its attempts used up in 1, would be failed.
        current = locked_job(connection, job.id) or job
        lost_before = connection.execute(LOST_BEFORE, {"b_job": job.id}).scalar_one()
        spared = int(lost_before < losses_spared)
        values: dict[str, Any] = {"b_job": job.id, "b_token": job.token}
        reason = None
        if used_up(replace(current, charged=current.charged - spared), attempts_max):
            statement = FAIL_LOST[only_expired]
            values["b_reason"] = reason = Reason.CRASHED
        else:
            statement = REQUEUE_LOST[only_expired]
            values["b_uncharge"] = spared
        end = AttemptEnd(outcome=Outcome.LOST, reason=reason, peak_rss_bytes=job.rss_bytes)
        return move(connection, store, statement, values, source=State.ACTIVE, end=end)

    return store.run(work)


def late_uploads(store: Store) -> Sequence[LateUpload]:
    """Jobs whose upload deadline has passed, the oldest first; at most 100."""

    def work(connection: Connection) -> Sequence[LateUpload]:
        now = connection.execute(NOW).scalar_one()
        return [LateUpload(job=job_of(row), now=now) for row in connection.execute(LATE_UPLOADS)]

    return store.single(work)


def expire_upload(store: Store, job_id: str) -> Job | None:
    """awaiting_upload -> expired; None when it was uploaded, moved on or put off meanwhile."""
    return store.run(lambda c: move(c, store, EXPIRE_UPLOAD, {"b_job": job_id}, source=State.AWAITING_UPLOAD))


def put_off_upload(store: Store, job_id: str, *, more_s: float) -> bool:
    """The deadline becomes `more_s` from now; False when the job moved on meanwhile."""
    values = {"b_job": job_id, "b_more_s": more_s}
    return store.run(lambda c: c.execute(PUT_OFF_UPLOAD, values).first() is not None)


def unverified(store: Store) -> Sequence[Job]:
    """Queued jobs whose upload nobody has verified; at most 100."""
    return store.single(lambda connection: [job_of(row) for row in connection.execute(UNVERIFIED)])


def put_back(store: Store, job_id: str) -> Job | None:
    """queued -> awaiting_upload; None when it was verified or moved on meanwhile."""
    return store.run(lambda c: move(c, store, PUT_BACK, {"b_job": job_id}, source=State.QUEUED))


def verify(store: Store, job_id: str, *, etag: str, size_bytes: int) -> Job | None:
    """Notes which object was verified, with the event of the job, which is queued already; None when it was
    verified or moved on meanwhile.
    """
    values = {"b_job": job_id, "b_etag": etag, "b_size": size_bytes}

    def work(connection: Connection) -> Job | None:
        row = connection.execute(VERIFY, values).first()
        if row is not None and store.outbox:
            add_event(connection, job_id, row.trace)
        return None if row is None else job_of(row)

    return store.run(work)


def unannounced(store: Store, *, after_s: float) -> Sequence[str]:
    """Queued jobs without a live event for `after_s`; at most 100."""
    return store.single(lambda c: list(c.execute(UNANNOUNCED, {"b_after_s": after_s}).scalars()))


def is_unannounced(store: Store, job_id: str, *, after_s: float) -> bool:
    """Whether it is queued without a live event for `after_s`."""
    values = {"b_job": job_id, "b_after_s": after_s}
    return store.single(lambda connection: connection.execute(ONE_UNANNOUNCED, values).first() is not None)


def announce_again(store: Store, job_id: str, *, after_s: float) -> bool:
    """Writes another event; False when the job was claimed or announced meanwhile."""

    def work(connection: Connection) -> bool:
        values = {"b_job": job_id, "b_after_s": after_s}
        due = connection.execute(ANNOUNCE_AGAIN, values).first()
        if due is not None and store.outbox:
            add_event(connection, job_id, due.trace)
        return due is not None

    return store.run(work)
