"""The conditional statements of the store as moves of a job, and which of them leaves room for which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import text

from reference_service.domain import Job, Outcome, Reason, State
from reference_service.store import AttemptEnd, Store, events, lifecycle, recovery, work
from reference_service.store.lifecycle import NewJob
from reference_service.store.work import Checkpoint, Claimant

Move = Callable[[Store, Job], object]
"""Truthy when it changed something. The job is as it was read before either of the two began."""

QUEUED, ACTIVE, AWAITING = State.QUEUED, State.ACTIVE, State.AWAITING_UPLOAD
HANDED_BACK = AttemptEnd(outcome=Outcome.HANDED_BACK)
CRASHED = AttemptEnd(outcome=Outcome.FAILED, reason=Reason.CRASHED)
AGE = text("""
    UPDATE jobs SET updated_at = updated_at - 100,
                    published_at = CASE WHEN state = 'queued' THEN updated_at - 100 END
    WHERE id = :job""")


def claim(name: str, lease_s: float = 60.0) -> Move:
    me = Claimant(instance=name, boot_id=name, pid=1)
    return lambda store, job: work.claim(store, job.id, me, lease_s=lease_s)


def retry(number: int) -> Move:
    def again(store: Store, job: Job) -> bool:
        name = f"{job.id}-{number}"
        made = lifecycle.create_job(store, new_job(name, retry_of=job.id))
        return made.id == name

    return again


def sweep(store: Store, job: Job, *, only_expired: bool = True) -> Job | None:
    return recovery.give_back(store, job, attempts_max=3, losses_spared=5, only_expired=only_expired)


def sweep_the_last(store: Store, job: Job, *, only_expired: bool = True) -> Job | None:
    return recovery.give_back(store, job, attempts_max=1, losses_spared=0, only_expired=only_expired)


def take_over(store: Store, job: Job) -> object:
    """A sweep, and the claim of another worker, which is late, too."""
    swept = sweep(store, job, only_expired=False)
    return swept and claim("w-2", -1.0)(store, job)


def publish(store: Store, job: Job) -> bool:
    """The relay's mark, which is for jobs that wait."""
    for found in events.unpublished(store, limit=1000):
        if found.job == job.id:
            events.mark_published(store, found)
    now = lifecycle.get_job(store, job.id)
    return now is not None and now.published_at != job.published_at


def save(store: Store, job: Job) -> bool:
    stage = Checkpoint(stage="frames", artefacts={}, facts={}, token=job.token)
    return work.save_checkpoint(store, job, stage)


MOVES: Mapping[str, Move] = {
    "claim": claim("w-1"),
    "claim by another": claim("w-2"),
    "take over": take_over,
    "announce": lambda store, job: recovery.announce_again(store, job.id, after_s=50.0),
    "announce twice": lambda store, job: recovery.announce_again(store, job.id, after_s=50.0),
    "publish": publish,
    "complete": lambda store, job: lifecycle.mark_uploaded(store, job.id, etag="e", size_bytes=1),
    "complete twice": lambda store, job: lifecycle.mark_uploaded(store, job.id, etag="e", size_bytes=1),
    "fail the upload": lambda store, job: lifecycle.fail_upload(store, job.id, Reason.UPLOAD_MISMATCH),
    "expire": lambda store, job: recovery.expire_upload(store, job.id),
    "put off": lambda store, job: recovery.put_off_upload(store, job.id, more_s=60.0),
    "put off twice": lambda store, job: recovery.put_off_upload(store, job.id, more_s=60.0),
    "cancel": lambda store, job: lifecycle.cancel_job(store, job.id),
    "cancel twice": lambda store, job: lifecycle.cancel_job(store, job.id),
    "heartbeat": lambda store, job: work.heartbeat(store, job, lease_s=60, rss_bytes=None),
    "start a stage": lambda store, job: work.start_stage(store, job, "frames"),
    "save a stage": save,
    "begin the effect": work.begin_effect,
    "succeed": lambda store, job: work.succeed(store, job, result_prefix="p", peak_rss_bytes=None),
    "fail": lambda store, job: work.fail(store, job, CRASHED),
    "hand back": lambda store, job: work.requeue(store, job, HANDED_BACK),
    "sweep": sweep,
    "sweep twice": sweep,
    "sweep the last": sweep_the_last,
    "clean up": partial(sweep, only_expired=False),
    "clean up the last": partial(sweep_the_last, only_expired=False),
    "retry": retry(1),
    "retry twice": retry(2),
}
SILENT = frozenset(
    {
        "announce",
        "announce twice",
        "publish",
        "put off",
        "put off twice",
        "heartbeat",
        "start a stage",
        "begin the effect",
        "save a stage",
    }
)
"""They change no state, so no transition is on record."""


@dataclass(frozen=True, slots=True)
class Pair:
    """`then_other`: whether the other still does its move after the one has; `then_one` the converse."""

    state: State
    one: str
    other: str
    then_other: bool = False
    then_one: bool = False

    @property
    def outcomes(self) -> frozenset[tuple[str, ...]]:
        """Who changed something, in their order: whatever is stepped how, it comes to one of these."""
        return frozenset(
            {
                (self.one, self.other) if self.then_other else (self.one,),
                (self.other, self.one) if self.then_one else (self.other,),
            }
        )


PAIRS = (
    Pair(QUEUED, "claim", "claim by another"),
    Pair(QUEUED, "claim", "cancel", then_other=True),  # out of active, and its attempt ends
    Pair(QUEUED, "claim", "announce", then_one=True),
    Pair(QUEUED, "claim", "publish", then_one=True),
    Pair(QUEUED, "cancel", "announce", then_one=True),
    Pair(QUEUED, "cancel", "cancel twice"),
    Pair(QUEUED, "announce", "announce twice"),
    Pair(AWAITING, "complete", "complete twice"),
    Pair(AWAITING, "complete", "expire"),
    Pair(AWAITING, "complete", "cancel", then_other=True),  # out of queued
    Pair(AWAITING, "complete", "fail the upload"),
    Pair(AWAITING, "complete", "put off", then_one=True),
    Pair(AWAITING, "expire", "cancel"),
    Pair(AWAITING, "expire", "put off"),
    Pair(AWAITING, "expire", "fail the upload"),
    Pair(AWAITING, "put off", "put off twice"),
    Pair(ACTIVE, "sweep", "heartbeat"),
    Pair(ACTIVE, "sweep the last", "heartbeat"),
    Pair(ACTIVE, "sweep", "sweep twice"),
    Pair(ACTIVE, "sweep", "clean up"),
    Pair(ACTIVE, "sweep the last", "clean up the last"),
    Pair(ACTIVE, "sweep", "succeed"),
    Pair(ACTIVE, "sweep", "fail"),
    Pair(ACTIVE, "sweep", "hand back"),
    Pair(ACTIVE, "sweep", "cancel", then_other=True),  # out of queued
    Pair(ACTIVE, "sweep", "start a stage", then_one=True),
    Pair(ACTIVE, "sweep", "save a stage", then_one=True),
    Pair(ACTIVE, "sweep", "begin the effect", then_one=True),
    Pair(ACTIVE, "sweep the last", "begin the effect", then_one=True),  # which then was not the last
    Pair(ACTIVE, "cancel", "begin the effect"),
    Pair(ACTIVE, "clean up", "succeed"),
    Pair(ACTIVE, "clean up the last", "succeed"),
    Pair(ACTIVE, "cancel", "succeed"),
    Pair(ACTIVE, "cancel", "heartbeat", then_one=True),
    Pair(ACTIVE, "cancel", "hand back", then_one=True),
    Pair(ACTIVE, "succeed", "heartbeat", then_one=True),
    # Another holds it by then: the state is the same, and only the token tells.
    Pair(ACTIVE, "take over", "succeed"),
    Pair(ACTIVE, "take over", "fail"),
    Pair(ACTIVE, "take over", "hand back"),
    Pair(ACTIVE, "take over", "heartbeat", then_one=True),
    Pair(ACTIVE, "take over", "start a stage", then_one=True),
    Pair(ACTIVE, "take over", "save a stage", then_one=True),
    Pair(ACTIVE, "take over", "begin the effect", then_one=True),
    Pair(ACTIVE, "take over", "sweep"),
    Pair(ACTIVE, "take over", "sweep the last"),
    Pair(ACTIVE, "take over", "clean up"),
    Pair(ACTIVE, "take over", "clean up the last"),
    Pair(State.CANCELLED, "retry", "retry twice"),
)


def new_job(name: str, retry_of: str | None = None) -> NewJob:
    return NewJob(id=name, tenant="t", name="v", upload_key="k", upload_deadline_s=-1.0, retry_of=retry_of)


def in_state(store: Store, name: str, state: State) -> Job:
    """A job in this state, for 100 s now (announced then), whose lease and upload deadline have passed."""
    job: Job | None = lifecycle.create_job(store, new_job(name))
    if state in {QUEUED, ACTIVE}:
        job = lifecycle.mark_uploaded(store, name, etag="e", size_bytes=1)
    if state is ACTIVE:
        job = work.claim(store, name, Claimant(instance="w", boot_id="w", pid=1), lease_s=-1.0)
    if state is State.CANCELLED:
        job = lifecycle.cancel_job(store, name)
    store.run(lambda connection: connection.execute(AGE, {"job": name}))
    job = lifecycle.get_job(store, name)
    assert job is not None
    assert job.state is state
    return job
