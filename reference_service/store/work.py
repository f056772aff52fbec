"""What a worker does to a job: claim, renew, name the stage, checkpoint, end.

Each write is conditional on the job being active under the writer's token. `fencing` off leaves that
condition out: whoever writes last wins, which is what the defence is there to prevent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Double, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection, Row
from sqlalchemy.sql.dml import ReturningUpdate

from reference_service.domain import Job, Outcome, State
from reference_service.store.core import AttemptEnd, Store, current_state, job_of, move
from reference_service.store.tables import attempts, checkpoints, database_now, jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """The instance that claims."""

    instance: str
    boot_id: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file that a stage left, where it is stored, and what it must hash to."""

    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A finished stage: its files by name, and its facts. With a `position`: so many of its units.

    `made_of` says of what (`lineage.Lineage`); None: a row of a version that did not record it. It lies among
    the facts, where versions that do not look for it bear it.

    The part of a stage has a row of its own, `<stage>:part`. A worker of a version that knows no parts looks
    a stage up by its name, and would take a part of that name for the whole.
    """

    stage: str
    artefacts: Mapping[str, Artefact]
    facts: Mapping[str, Any]
    token: int
    position: int = 0
    made_of: str | None = None


_CLAIMED = {
    "state": State.ACTIVE,
    "stage": None,
    "attempt": jobs.c.attempt + 1,
    "charged": jobs.c.charged + 1,
    "token": jobs.c.token + 1,
    "worker": bindparam("b_worker"),
    "lease_expires_at": database_now() + bindparam("b_lease_s"),
    "rss_bytes": None,
    "not_before": None,
    "updated_at": database_now(),
}
_CLAIMABLE = (
    jobs.c.id == bindparam("b_job"),
    jobs.c.state == bindparam("b_state"),
    or_(jobs.c.not_before.is_(None), jobs.c.not_before <= database_now()),
)
# (only with a verified upload?) -> statement
CLAIM = {
    verified: update(jobs)
    .where(*_CLAIMABLE, *((jobs.c.etag.is_not(None),) if verified else ()))
    .values(_CLAIMED)
    .returning(*jobs.c)
    for verified in (True, False)
}
START_ATTEMPT = insert(attempts).values(started_at=database_now())
FIND_CLAIM = (
    select(*jobs.c)
    .join(attempts, (attempts.c.job == jobs.c.id) & (attempts.c.attempt == jobs.c.attempt))
    .where(
        jobs.c.id == bindparam("b_job"),
        jobs.c.state == State.ACTIVE,
        attempts.c.boot_id == bindparam("b_boot"),
        attempts.c.ended_at.is_(None),
    )
)
TIMES_WAITED = select(func.count()).where(
    attempts.c.job == bindparam("b_job"),
    attempts.c.outcome == Outcome.HANDED_BACK,
    attempts.c.reason == bindparam("b_what"),
)

_IS_JOB = jobs.c.id == bindparam("b_job")
_IS_OURS = (_IS_JOB, jobs.c.state == State.ACTIVE, jobs.c.token == bindparam("b_token"))


def _both(values: Mapping[str, Any], *returning: Any) -> Mapping[bool, ReturningUpdate[Any]]:
    """The statement with the fence (True) and without (False)."""
    fenced = update(jobs).where(*_IS_OURS).values(values).returning(*returning)
    return {True: fenced, False: update(jobs).where(_IS_JOB).values(values).returning(*returning)}


RENEW = _both(
    {"lease_expires_at": database_now() + bindparam("b_lease_s"), "rss_bytes": bindparam("b_rss")},
    jobs.c.stage,
)
START_STAGE = _both({"stage": bindparam("b_stage"), "updated_at": database_now()}, jobs.c.id)
BEGIN_EFFECT = _both(
    {"effect_at": func.coalesce(jobs.c.effect_at, database_now()), "updated_at": database_now()}, jobs.c.id
)
TOUCH = _both({"updated_at": database_now()}, jobs.c.id)
FINISH = _both(
    {
        "state": bindparam("b_state"),
        "reason": bindparam("b_reason"),
        "result_prefix": bindparam("b_prefix"),
        "lease_expires_at": None,
        "updated_at": database_now(),
    },
    *jobs.c,
)
REQUEUE = _both(
    {
        "state": State.QUEUED,
        "charged": jobs.c.charged - bindparam("b_uncharge"),
        "not_before": database_now() + bindparam("b_after_s", type_=Double()),
        "worker": None,
        "lease_expires_at": None,
        "published_at": None,
        "updated_at": database_now(),
    },
    *jobs.c,
)
DROP_CHECKPOINT = delete(checkpoints).where(
    checkpoints.c.job == bindparam("b_job"),
    checkpoints.c.stage.in_((bindparam("b_stage"), bindparam("b_part"))),
)
COUNT_UNITS = (
    update(attempts)
    .where(attempts.c.job == bindparam("b_job"), attempts.c.attempt == bindparam("b_attempt"))
    .values(units=bindparam("b_units"))
)
ADD_CHECKPOINT = insert(checkpoints).values(at=database_now())
CHECKPOINTS = select(
    checkpoints.c.stage,
    checkpoints.c.artefacts,
    checkpoints.c.facts,
    checkpoints.c.token,
    checkpoints.c.position,
).where(checkpoints.c.job == bindparam("b_job"))


def claim(
    store: Store,
    job_id: str,
    claimant: Claimant,
    *,
    lease_s: float,
    also_unverified: bool = False,
    also_awaiting_upload: bool = False,
) -> Job | None:
    """queued -> active under a new token, its attempt recorded and charged; None: not to be had, or not yet.

    `also_unverified` (`claim_only_verified` or `object_check` off) takes one that was queued without a
    verified upload; `also_awaiting_upload` (`claim_only_queued` off) one that was not even queued.
    """

    def work(connection: Connection) -> Job | None:
        sources = [State.QUEUED, State.AWAITING_UPLOAD] if also_awaiting_upload else [State.QUEUED]
        for source in sources:
            values = {
                "b_job": job_id,
                "b_state": source,
                "b_worker": claimant.instance,
                "b_lease_s": lease_s,
            }
            verified = source is State.QUEUED and not also_unverified
            job = move(connection, store, CLAIM[verified], values, source=source)
            if job is not None:
                _start_attempt(connection, job, claimant)
                return job
        return None

    return store.run(work)


def _start_attempt(connection: Connection, job: Job, claimant: Claimant) -> None:
    connection.execute(
        START_ATTEMPT,
        {
            "job": job.id,
            "attempt": job.attempt,
            "token": job.token,
            "instance": claimant.instance,
            "boot_id": claimant.boot_id,
            "pid": claimant.pid,
        },
    )


def find_claim(store: Store, job_id: str, claimant: Claimant) -> Job | None:
    """The job when this very instance holds it: what a claim with an unknown commit came to."""
    values = {"b_job": job_id, "b_boot": claimant.boot_id}
    row = store.single(lambda connection: connection.execute(FIND_CLAIM, values).first())
    return None if row is None else job_of(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The job is still ours; `stage` is where its child is (None: before the first that it runs)."""

    stage: str | None


def heartbeat(store: Store, job: Job, *, lease_s: float, rss_bytes: int | None) -> Held | None:
    """Puts the lease off by `lease_s` from now; None when the job is no longer ours."""
    values = {"b_job": job.id, "b_token": job.token, "b_lease_s": lease_s, "b_rss": rss_bytes}
    row = _written(store, RENEW, values)
    return None if row is None else Held(stage=row[0])


def start_stage(store: Store, job: Job, stage: str) -> bool:
    """Names the stage that begins; False when the job is no longer ours."""
    return _write(store, START_STAGE, {"b_job": job.id, "b_token": job.token, "b_stage": stage})


def times_waited(store: Store, job: Job, what: str) -> int:
    """How many attempts at the job were handed back for that (`AttemptEnd.waited_for`)."""
    values = {"b_job": job.id, "b_what": what}
    found: int = store.single(lambda connection: connection.execute(TIMES_WAITED, values).scalar_one())
    return found


def begin_effect(store: Store, job: Job) -> bool:
    """Says, before it does, that the downstream system may hear of the job; False when it is no longer ours.

    From here on, in this attempt and in each later one, the job is not to be cancelled.
    """
    return _write(store, BEGIN_EFFECT, {"b_job": job.id, "b_token": job.token})


def part_of(stage: str) -> str:
    """The key of the checkpoint within a stage."""
    return f"{stage}:part"


def save_checkpoint(store: Store, job: Job, checkpoint: Checkpoint, *, units: int = 0) -> bool:
    """Replaces what there is of the stage; False, and nothing written, when the job is no longer ours.

    `units` is what the attempt has done so far, in all of its stages.
    """
    part = part_of(checkpoint.stage)
    artefacts = {
        name: {"key": one.key, "sha256": one.sha256, "size_bytes": one.size_bytes}
        for name, one in checkpoint.artefacts.items()
    }
    made_of = {} if checkpoint.made_of is None else {"made_of": checkpoint.made_of}
    row = {
        "job": job.id,
        "stage": part if checkpoint.position else checkpoint.stage,
        "artefacts": json.dumps(artefacts),
        "facts": json.dumps({**checkpoint.facts, **made_of}),
        "position": checkpoint.position,
        "token": job.token,
    }

    def work(connection: Connection) -> bool:
        ours = connection.execute(TOUCH[store.fencing], _fence(store, job)).first() is not None
        if ours:
            connection.execute(
                DROP_CHECKPOINT, {"b_job": job.id, "b_stage": checkpoint.stage, "b_part": part}
            )
            connection.execute(ADD_CHECKPOINT, row)
            connection.execute(COUNT_UNITS, {"b_job": job.id, "b_attempt": job.attempt, "b_units": units})
        return ours

    return store.run(work)


def read_checkpoints(store: Store, job_id: str) -> Mapping[str, Checkpoint]:
    """What is kept of a job: finished stages by their names, and parts of stages by `part_of`."""

    def work(connection: Connection) -> Sequence[Any]:
        return connection.execute(CHECKPOINTS, {"b_job": job_id}).all()

    found: dict[str, Checkpoint] = {}
    for stage, artefacts, facts, token, position in store.single(work):
        files = {name: Artefact(**one) for name, one in json.loads(artefacts).items()}
        known = json.loads(facts)
        found[stage] = Checkpoint(
            stage=stage.removesuffix(part_of("")),
            artefacts=files,
            made_of=known.pop("made_of", None),
            facts=known,
            token=token,
            position=position,
        )
    return found


def succeed(
    store: Store,
    job: Job,
    *,
    result_prefix: str,
    peak_rss_bytes: int | None,
    stage_peaks: Mapping[str, int] | None = None,
    units: int | None = None,
) -> Job | None:
    """active -> succeeded, which publishes `result_prefix`; None when the job is no longer ours."""
    end = AttemptEnd(
        outcome=Outcome.SUCCEEDED, peak_rss_bytes=peak_rss_bytes, stage_peaks=stage_peaks, units=units
    )
    values = {"b_state": State.SUCCEEDED, "b_reason": None, "b_prefix": result_prefix}
    return _leave_active(store, job, FINISH, values, end)


def fail(store: Store, job: Job, end: AttemptEnd) -> Job | None:
    """active -> failed for `end.reason`; None when the job is no longer ours."""
    values = {"b_state": State.FAILED, "b_reason": end.reason, "b_prefix": None}
    return _leave_active(store, job, FINISH, values, end)


def requeue(store: Store, job: Job, end: AttemptEnd, *, after_s: float = 0.0) -> Job | None:
    """active -> queued with its event; an attempt that was handed back is not charged.

    The next attempt begins no sooner than `after_s` from now.
    """
    uncharge = 1 if end.outcome is Outcome.HANDED_BACK else 0
    values = {"b_uncharge": uncharge, "b_after_s": after_s if after_s > 0 else None}
    return _leave_active(store, job, REQUEUE, values, end)


def _leave_active(
    store: Store,
    job: Job,
    statements: Mapping[bool, ReturningUpdate[Any]],
    values: Mapping[str, Any],
    end: AttemptEnd,
) -> Job | None:
    def work(connection: Connection) -> Job | None:
        source: State | None = State.ACTIVE
        if not store.fencing:
            source = current_state(connection, job.id)
        given = {**_fence(store, job), **values}
        return move(
            connection, store, statements[store.fencing], given, source=source, end=end, token=job.token
        )

    return store.run(work)


def _write(store: Store, statements: Mapping[bool, ReturningUpdate[Any]], values: Mapping[str, Any]) -> bool:
    return _written(store, statements, values) is not None


def _written(
    store: Store, statements: Mapping[bool, ReturningUpdate[Any]], values: Mapping[str, Any]
) -> Row[Any] | None:
    given = dict(values)
    if not store.fencing:
        del given["b_token"]
    return store.single(lambda c: c.execute(statements[store.fencing], given).first())


def _fence(store: Store, job: Job) -> dict[str, Any]:
    return {"b_job": job.id, "b_token": job.token} if store.fencing else {"b_job": job.id}
