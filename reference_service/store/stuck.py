"""Jobs that wait and that nobody is about to run, and what speaks against setting one of them going.

A *run* of a job is anything that is about to process it, does, or lately did: an event that waits to be sent
(scheduled), one that was sent lately (pending), an attempt that is open (running), one that ended lately.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, exists, func, or_, select, update
from sqlalchemy.engine import Connection

from reference_service.domain import TERMINAL, Job, State
from reference_service.store.core import Store, add_event, job_of, locked_job, move
from reference_service.store.recovery_runs import Decision, Grant, Item, add_item, under
from reference_service.store.tables import attempts, database_now, jobs, outbox

AT_ONCE = 500  # rows that one question is about
RECENT_RUNS = 100  # that the protection looks at with `recovery_asks_per_job` off
RECOVERY = "recovery"  # the tag of what a sweep set going

_WAITING_EVENT = exists().where(outbox.c.job == jobs.c.id, outbox.c.published_at.is_(None))
_RUN_LATELY = exists().where(
    attempts.c.job == jobs.c.id,
    or_(attempts.c.ended_at.is_(None), attempts.c.ended_at > database_now() - bindparam("b_quiet_s")),
)
STUCK = (
    select(*jobs.c, database_now())
    .where(
        jobs.c.state.in_((State.AWAITING_UPLOAD, State.QUEUED)),
        jobs.c.created_at < database_now() - bindparam("b_age_s"),
        func.coalesce(jobs.c.published_at, jobs.c.updated_at) < database_now() - bindparam("b_quiet_s"),
        ~_WAITING_EVENT,
        ~_RUN_LATELY,
    )
    .order_by(jobs.c.created_at, jobs.c.id)
    .limit(bindparam("b_limit"))
)
STUCK_ONE = STUCK.where(jobs.c.id == bindparam("b_job"))
STUCK_AFTER = STUCK.where(
    or_(
        jobs.c.created_at > bindparam("b_created_at"),
        and_(jobs.c.created_at == bindparam("b_created_at"), jobs.c.id > bindparam("b_last")),
    )
)
EVENT_WAITS = select(outbox.c.id).where(outbox.c.job == bindparam("b_job"), outbox.c.published_at.is_(None))
NOW = select(database_now())
NEWEST_ATTEMPT = (
    select(attempts.c.job, attempts.c.ended_at)
    .where(attempts.c.job == bindparam("b_job"))
    .order_by(attempts.c.attempt.desc())
    .limit(1)
)
LAST_ATTEMPTS = (
    select(attempts.c.job, attempts.c.ended_at).order_by(attempts.c.started_at.desc()).limit(RECENT_RUNS)
)
# By the job's id alone: what speaks against it was asked before, under the row's lock.
SET_GOING = (
    update(jobs)
    .where(jobs.c.id == bindparam("b_job"))
    .values(
        state=State.QUEUED,
        triggered_by=RECOVERY,
        worker=None,
        lease_expires_at=None,
        published_at=database_now(),
        updated_at=database_now(),
    )
    .returning(*jobs.c)
)
TAG = update(jobs).where(jobs.c.id == bindparam("b_job")).values(triggered_by=RECOVERY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A job that waits, and for how long since its creation, when the list was read."""

    job: Job
    now: float  # the database's

    @property
    def age_s(self) -> float:
        return max(0.0, self.now - self.job.created_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What a run asks before it sets a job going; each part is a defence."""

    active: bool  # no job that has a run
    recent: bool  # no job whose run ended lately
    per_job: bool  # asks about this job; else only the last 100 runs of all are looked at
    quiet_s: float  # how long `lately` is


def stuck_jobs(store: Store, *, age_s: float, quiet_s: float, job: str | None = None) -> Sequence[Stuck]:
    """awaiting_upload or queued, created longer than `age_s` ago, with no run in the last `quiet_s`.

    All of them, the oldest first: with some of the oldest only, uploads that never come would hide what is
    younger. `job`: this one only.
    """
    values: dict[str, Any] = {"b_age_s": age_s, "b_quiet_s": quiet_s, "b_limit": AT_ONCE}
    if job is not None:
        return _ask(store, STUCK_ONE, values | {"b_job": job})
    found = page = _ask(store, STUCK, values)
    while len(page) == AT_ONCE:
        last = page[-1].job
        page = _ask(store, STUCK_AFTER, values | {"b_created_at": last.created_at, "b_last": last.id})
        found = [*found, *page]
    return found


def _ask(store: Store, statement: Select[Any], values: Mapping[str, Any]) -> Sequence[Stuck]:
    def work(connection: Connection) -> Sequence[Stuck]:
        return [Stuck(job=job_of(row[:-1]), now=row[-1]) for row in connection.execute(statement, values)]

    return store.single(work)


def set_going(store: Store, grant: Grant, found: Stuck, protection: Protection) -> Item:
    """Queues the job with a new event, unless something speaks against it; what was done is on record.

    All in one transaction, under the lock of the job's row: 1. the run lists a queued job, 2. a worker
    claims it, 3. the run would queue it again, while it is processed. Raises `Halted`.
    """

    def work(connection: Connection) -> Item:
        reason = objection(connection, found.job, protection)
        if reason is None:
            _queue(connection, store, found.job.id)
        return _noted(connection, grant, found, reason)

    return under(store, grant, work)


def look_again(store: Store, grant: Grant, found: Stuck, protection: Protection) -> str | None:
    """What speaks against setting it going now; None: nothing. Raises `Halted`."""
    return under(store, grant, lambda connection: objection(connection, found.job, protection))


def note(store: Store, grant: Grant, found: Stuck, *, decision: Decision, reason: str | None = None) -> Item:
    """Records what was done with a job elsewhere; a triggered one is tagged. Raises `Halted`."""

    def work(connection: Connection) -> Item:
        if decision is Decision.TRIGGERED:
            connection.execute(TAG, {"b_job": found.job.id})
        return _noted(connection, grant, found, reason, decision)

    return under(store, grant, work)


def objection(connection: Connection, listed: Job, protection: Protection) -> str | None:
    """Why the job, as it is now, is not to be set going: it has a run, or had one lately."""
    if not protection.per_job:
        last = connection.execute(LAST_ATTEMPTS)
        return _of_attempt(connection, next((row for row in last if row.job == listed.id), None), protection)
    current = locked_job(connection, listed.id)
    if current is None:
        return "gone"
    if protection.recent and current.state in TERMINAL:
        return f"ended: {current.state}"
    if protection.active:
        reason = _of_state(connection, listed, current, protection)
        if reason is not None:
            return reason
    newest = connection.execute(NEWEST_ATTEMPT, {"b_job": listed.id}).first()
    return _of_attempt(connection, newest, protection)


def _of_state(connection: Connection, listed: Job, current: Job, protection: Protection) -> str | None:
    if current.state is State.ACTIVE:
        return f"running: {current.worker} has it, attempt {current.attempt}"
    if connection.execute(EVENT_WAITS, {"b_job": current.id}).first() is not None:
        return "scheduled: its event waits to be sent"
    now = connection.execute(NOW).scalar_one()
    if current.published_at is not None and current.published_at > now - protection.quiet_s:
        return f"pending: its event was sent {now - current.published_at:.1f} s ago"
    # By the sweeper, say: queued by hand, and put back. What has ended is `protection.recent`'s to refuse.
    if current.state is not listed.state and current.state not in TERMINAL:
        return f"moved: it is {current.state} now"
    return None


def _of_attempt(connection: Connection, attempt: Any, protection: Protection) -> str | None:
    if attempt is None:
        return None
    now, ended_at = connection.execute(NOW).scalar_one(), attempt.ended_at
    if ended_at is None:
        return "running: an attempt is open" if protection.active else None
    recent = protection.recent and ended_at > now - protection.quiet_s
    return f"recent run: it ended {now - ended_at:.1f} s ago" if recent else None


def _queue(connection: Connection, store: Store, job_id: str) -> None:
    current = locked_job(connection, job_id)
    if current is None:
        return
    values = {"b_job": job_id}
    if current.state is not State.QUEUED:
        move(connection, store, SET_GOING, values, source=current.state)
        return
    connection.execute(SET_GOING, values)  # it waits already: no move, only an event
    if store.outbox:
        add_event(connection, job_id, current.trace)


def _noted(
    connection: Connection, grant: Grant, found: Stuck, reason: str | None, decision: Decision | None = None
) -> Item:
    now = connection.execute(NOW).scalar_one()
    item = Item(
        run=grant.run,
        job=found.job.id,
        decision=decision or (Decision.TRIGGERED if reason is None else Decision.SKIPPED),
        reason=reason,
        state=found.job.state.value,
        age_s=max(0.0, now - found.job.created_at),
    )
    add_item(connection, item)
    return item
