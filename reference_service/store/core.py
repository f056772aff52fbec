"""`Store`: a database with the service's rules, and the one place where a job's state changes.

Every move is one conditional statement on (state[, token]). In the same transaction go its row in
`transitions`, the outbox row of a move into `queued`, the end of the attempt of a move out of `active`,
and what the move makes superfluous in the object store: the outputs of an attempt that did not succeed,
and, once the job has ended, its artefacts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import BigInteger, bindparam, delete, func, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import UpdateBase

from reference_service.domain import STAGES, TERMINAL, Defence, Job, Outcome, Reason, State
from reference_service.ports import Database
from reference_service.settings import Settings
from reference_service.store.tables import (
    attempts,
    checkpoints,
    database_now,
    discards,
    jobs,
    outbox,
    transitions,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """`outbox`, `fencing` and `cleanup` are defences; `actor` is who the transitions are signed by."""

    database: Database
    actor: str
    outbox: bool = True
    fencing: bool = True
    cleanup: bool = True

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Store:
        """The store of one instance, with the defences that its settings leave on."""
        return cls(
            database=database,
            actor=settings.instance,
            outbox=settings.defended(Defence.OUTBOX),
            fencing=settings.defended(Defence.FENCING),
            cleanup=settings.defended(Defence.CHECKPOINT_CLEANUP),
        )

    def run(self, work: Callable[[Connection], T]) -> T:
        """As `Database.run`."""
        return self.database.run(work)

    def single(self, work: Callable[[Connection], T]) -> T:
        """As `Database.single`."""
        return self.database.single(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How the attempt of a job that leaves `active` ended."""

    outcome: Outcome
    reason: Reason | None = None
    peak_rss_bytes: int | None = None
    stage_peaks: Mapping[str, int] | None = None  # stage -> the most bytes that were resident in it
    units: int | None = None  # that it has done; None: it did not live to say so
    waited_for: str | None = None  # handed back for that: kept where a failed attempt has its reason


COLUMNS = tuple(column.name for column in jobs.c)
ADD_TRANSITION = insert(transitions).values(at=database_now())
ADD_EVENT = insert(outbox).values(created_at=database_now())
ADD_DISCARD = insert(discards).values(created_at=database_now())
DROP_CHECKPOINTS = delete(checkpoints).where(checkpoints.c.job == bindparam("b_job"))
END_ATTEMPT = (
    update(attempts)
    .where(
        attempts.c.job == bindparam("b_job"),
        attempts.c.attempt == bindparam("b_attempt"),
        attempts.c.ended_at.is_(None),
    )
    .values(
        ended_at=database_now(),
        outcome=bindparam("b_outcome"),
        reason=bindparam("b_reason"),
        peak_rss_bytes=bindparam("b_peak"),
        stage_peaks=bindparam("b_stage_peaks"),
        units=func.coalesce(bindparam("b_units", type_=BigInteger()), attempts.c.units),
    )
)
LOCK_JOB = select(*jobs.c).where(jobs.c.id == bindparam("b_job")).with_for_update()


def move(
    connection: Connection,
    store: Store,
    statement: UpdateBase,
    values: Mapping[str, Any],
    *,
    source: State | None,
    end: AttemptEnd | None = None,
    token: int | None = None,
) -> Job | None:
    """The job after the move, or None when the statement's condition did not hold.

    `statement` returns the columns of `jobs`. `source` is the state that it demands, for the record,
    and `token` the writer's own (None: it holds none, and the row's is recorded).
    """
    row = connection.execute(statement, values).first()
    if row is None:
        return None
    job = job_of(row)
    writer = job.token if token is None else token
    connection.execute(
        ADD_TRANSITION,
        {
            "job": job.id,
            "from_state": source,
            "to_state": job.state,
            "attempt": job.attempt,
            "token": writer,
            "actor": store.actor,
        },
    )
    if end is not None:
        end_attempt(connection, job, end)
        if job.stage == STAGES[-1] and job.state is not State.SUCCEEDED:
            add_discard(connection, job.id, "prefix", outputs_prefix(job.id, writer))
    if job.state is State.QUEUED and store.outbox:
        add_event(connection, job.id, job.trace, not_before=job.not_before)
    if job.state in TERMINAL:
        _discard(connection, store, job, source)
    return job


def locked_job(connection: Connection, job_id: str) -> Job | None:
    """A job whose row stays locked until the transaction ends."""
    row = connection.execute(LOCK_JOB, {"b_job": job_id}).first()
    return None if row is None else job_of(row)


def current_state(connection: Connection, job_id: str) -> State | None:
    """The state of a job whose row stays locked until the transaction ends."""
    job = locked_job(connection, job_id)
    return None if job is None else job.state


def add_event(
    connection: Connection, job_id: str, trace: str | None, *, not_before: float | None = None
) -> None:
    """Says that the job waits; the relay publishes it after the commit, and `not_before` (None: at once)."""
    row = {"job": job_id, "body": json.dumps(event_body(job_id, trace)), "not_before": not_before}
    connection.execute(ADD_EVENT, row)


def event_body(job_id: str, trace: str | None) -> Mapping[str, str]:
    """What the queue carries of a job."""
    return {"job": job_id} if trace is None else {"job": job_id, "trace": trace}


def end_attempt(connection: Connection, job: Job, end: AttemptEnd) -> None:
    """Closes the attempts log of the job's newest attempt, unless that was done."""
    connection.execute(
        END_ATTEMPT,
        {
            "b_job": job.id,
            "b_attempt": job.attempt,
            "b_outcome": end.outcome,
            "b_reason": end.reason or end.waited_for,
            "b_peak": end.peak_rss_bytes,
            "b_stage_peaks": json.dumps(dict(end.stage_peaks)) if end.stage_peaks else None,
            "b_units": end.units,
        },
    )


def artefacts_prefix(job_id: str) -> str:
    """Where every attempt of the job leaves what its checkpoints name."""
    return f"artefacts/{job_id}/"


def outputs_prefix(job_id: str, token: int) -> str:
    """Where the attempt under this token puts its outputs, published only when the job succeeds with them."""
    return f"outputs/{job_id}/{token}/"


def add_discard(
    connection: Connection, job_id: str, kind: str, key: str, upload_id: str | None = None
) -> None:
    connection.execute(ADD_DISCARD, {"job": job_id, "kind": kind, "key": key, "upload_id": upload_id})


def _discard(connection: Connection, store: Store, job: Job, source: State | None) -> None:
    if job.attempt > 0 and store.cleanup:
        connection.execute(DROP_CHECKPOINTS, {"b_job": job.id})
        add_discard(connection, job.id, "prefix", artefacts_prefix(job.id))
    if source is State.AWAITING_UPLOAD:
        if job.upload_id is not None:
            add_discard(connection, job.id, "multipart", job.upload_key, job.upload_id)
        add_discard(connection, job.id, "object", job.upload_key)


def job_of(row: Sequence[Any]) -> Job:
    """A row of `jobs`, its columns in the table's order, as the domain's `Job`."""
    values = dict(zip(COLUMNS, row, strict=True))
    values["state"] = State(values["state"])
    if values["reason"] is not None:
        values["reason"] = Reason.of(values["reason"])
    return Job(**values)
