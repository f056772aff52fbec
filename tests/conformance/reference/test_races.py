"""Two transactions on PostgreSQL, stepped: the second comes while the first has written and not committed.

SQLite has one writer at a time, and the sim switches at no such place: here it is tried for real.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from reference_service.clock import SystemClock
from reference_service.domain import Job, Reason, State
from reference_service.store import SqlDatabase, Store, lifecycle, recovery, work
from reference_service.store.lifecycle import NewJob
from reference_service.store.migrations import migrate
from reference_service.store.work import Claimant
from tests.conformance.reference.conftest import NUMBERS

pytestmark = pytest.mark.process
WITHIN_S = 20.0
Move = Callable[[Store, Job], object]


class Paused:
    """A database whose next transaction waits, all written, until it may commit."""

    dialect: Literal["postgresql", "sqlite"] = "postgresql"

    def __init__(self, inner: SqlDatabase) -> None:
        self._inner = inner
        self.written = threading.Event()
        self.may_commit = threading.Event()

    def run(self, work_: Callable[[Connection], Any]) -> Any:
        def pause_before_commit(connection: Connection) -> Any:
            result = work_(connection)
            self.written.set()
            assert self.may_commit.wait(WITHIN_S)
            return result

        return self._inner.run(pause_before_commit)

    def single(self, work_: Callable[[Connection], Any]) -> Any:
        return self.run(work_)

    def close(self) -> None:
        """The inner one is closed by who made it."""


@pytest.fixture(scope="module")
def postgres(servers: Any) -> Iterator[SqlDatabase]:
    one = SqlDatabase(servers.postgres().create_database("races"), SystemClock(), pool_size=4)
    one.run(migrate)
    yield one
    one.close()


def claim(name: str) -> Move:
    me = Claimant(instance=name, boot_id=name, pid=1)
    return lambda store, job: work.claim(store, job.id, me, lease_s=60)


def retry(number: int) -> Move:
    def again(store: Store, job: Job) -> object:
        new = NewJob(
            id=f"{job.id}-{number}",
            tenant="t",
            name="v",
            upload_key="k",
            upload_deadline_s=60,
            retry_of=job.id,
        )
        made = lifecycle.create_job(store, new)
        return made if made.id == new.id else None

    return again


MOVES: Mapping[str, Move] = {
    "claim": claim("w-1"),
    "claim by another": claim("w-2"),
    "complete": lambda store, job: lifecycle.mark_uploaded(store, job.id, etag="e", size_bytes=1),
    "expire": lambda store, job: recovery.expire_upload(store, job.id),
    "cancel": lambda store, job: lifecycle.cancel_job(store, job.id),
    "succeed": lambda store, job: work.succeed(store, job, result_prefix="p", peak_rss_bytes=None),
    "sweep": lambda store, job: recovery.give_back(store, job, attempts_max=3, only_expired=True),
    "clean up": lambda store, job: recovery.give_back(store, job, attempts_max=3, only_expired=False),
    "heartbeat": lambda store, job: work.heartbeat(store, job, lease_s=60, rss_bytes=None) or None,
    "announce": lambda store, job: recovery.announce_again(store, job.id, after_s=-1.0) or None,
    "fail the upload": lambda store, job: lifecycle.fail_upload(store, job.id, Reason.UPLOAD_MISMATCH),
    "retry": retry(1),
    "retry again": retry(2),
}


@pytest.mark.parametrize(
    ("state", "first", "second"),
    [
        (State.QUEUED, "claim", "claim by another"),
        (State.QUEUED, "cancel", "claim"),
        (State.QUEUED, "claim", "announce"),
        (State.AWAITING_UPLOAD, "complete", "complete"),
        (State.AWAITING_UPLOAD, "complete", "expire"),
        (State.AWAITING_UPLOAD, "expire", "complete"),
        (State.AWAITING_UPLOAD, "cancel", "complete"),
        (State.AWAITING_UPLOAD, "complete", "fail the upload"),
        (State.ACTIVE, "heartbeat", "sweep"),
        (State.ACTIVE, "sweep", "heartbeat"),
        (State.ACTIVE, "sweep", "sweep"),
        (State.ACTIVE, "sweep", "clean up"),
        (State.ACTIVE, "sweep", "succeed"),
        (State.ACTIVE, "succeed", "sweep"),
        (State.ACTIVE, "succeed", "cancel"),
        (State.ACTIVE, "cancel", "succeed"),
        (State.CANCELLED, "retry", "retry again"),
    ],
)
def test_the_second_of_two_changes_nothing(
    state: State, first: str, second: str, postgres: SqlDatabase
) -> None:
    """It waits for the first one's commit, sees what that did, and its own condition does not hold."""
    store, paused = Store(database=postgres, actor="second"), Paused(postgres)
    job = in_state(Store(database=postgres, actor="before"), f"j-{next(NUMBERS)}", state)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(MOVES[first], Store(database=paused, actor="first"), job)
        assert paused.written.wait(WITHIN_S)
        other = pool.submit(MOVES[second], store, job)
        try:
            until_blocked(postgres)
        finally:
            paused.may_commit.set()
        assert one.result(WITHIN_S) is not None
        assert other.result(WITHIN_S) is None
    actors = text("SELECT actor FROM transitions WHERE job LIKE :job")
    assert "second" not in postgres.run(lambda c: c.execute(actors, {"job": f"{job.id}%"}).scalars().all())


def in_state(store: Store, name: str, state: State) -> Job:
    """A job whose lease and upload deadline have passed, and which is in this state."""
    new = NewJob(id=name, tenant="t", name="v", upload_key="k", upload_deadline_s=-1.0)
    job: Job | None = lifecycle.create_job(store, new)
    if state in {State.QUEUED, State.ACTIVE}:
        job = lifecycle.mark_uploaded(store, name, etag="e", size_bytes=1)
    if state is State.ACTIVE:
        job = work.claim(store, name, Claimant(instance="w", boot_id="b", pid=1), lease_s=-1.0)
    if state is State.CANCELLED:
        job = lifecycle.cancel_job(store, name)
    assert job is not None
    assert job.state is state
    return job


def until_blocked(postgres: SqlDatabase) -> None:
    """Until one of the transactions waits for another's lock; the server says so, nobody guesses."""
    waits = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    clock = SystemClock()
    give_up_at = clock.monotonic() + WITHIN_S
    while not postgres.run(lambda c: c.execute(waits).scalar()):
        assert clock.monotonic() < give_up_at, "the second did not wait for the first"
