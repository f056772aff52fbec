"""What an operator asks of the database, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from reference_service.domain import Outcome, Reason
from reference_service.store import (
    AttemptEnd,
    SqlDatabase,
    Store,
    diagnosis,
    events,
    lifecycle,
    recovery,
    work,
)
from reference_service.store.lifecycle import NewJob
from reference_service.store.work import Claimant

pytestmark = pytest.mark.process
ME = Claimant(instance="w-1", boot_id="boot-1", pid=1)
BROKEN = AttemptEnd(outcome=Outcome.FAILED, reason=Reason.CRASHED, peak_rss_bytes=5)


@pytest.fixture
def store(database: SqlDatabase) -> Store:
    one = Store(database=database, actor="test")
    events.register_instance(
        one, instance="w-1", role="worker", boot_id="boot-1", pid=1, address="http://w-1"
    )
    return one


def queued(store: Store, job: str) -> None:
    given = NewJob(id=job, tenant="t", name="v", upload_key=f"uploads/{job}/source", upload_deadline_s=60.0)
    lifecycle.create_job(store, given)
    assert lifecycle.mark_uploaded(store, job, etag="e", size_bytes=5) is not None


def change(store: Store, statement: str) -> None:
    store.run(lambda c: c.execute(text(statement)))


def unheld(store: Store) -> list[tuple[str, str, bool]]:
    found = diagnosis.unheld(store, dead_after_s=20)
    return sorted((one.job.id, one.why.partition(", last")[0], one.lease_over) for one in found)


def test_only_what_nobody_holds_is_unheld(store: Store) -> None:
    """A live holder's job is not; one whose lease is over, whose holder is gone, or without a record is."""
    for job in ("alive", "over", "bare"):
        queued(store, job)
        assert work.claim(store, job, ME, lease_s=60) is not None
    queued(store, "gone")
    other = Claimant(instance="w-2", boot_id="boot-2", pid=2)
    events.register_instance(store, instance="w-2", role="worker", boot_id="boot-2", pid=2)
    assert work.claim(store, "gone", other, lease_s=60) is not None
    assert unheld(store) == []
    events.stop_instance(store, instance="w-2", boot_id="boot-2")
    change(store, "UPDATE jobs SET lease_expires_at = lease_expires_at - 100 WHERE id IN ('over', 'bare')")
    change(store, "DELETE FROM attempts WHERE job = 'bare'")
    assert unheld(store) == [
        ("bare", "its attempt is on no record, and its lease is over", True),
        ("gone", "w-2 is gone", False),
        ("over", "the lease of w-1 is over", True),
    ]


def test_what_waits_for_nobody_is_found(store: Store) -> None:
    """A queued job whose event is long gone, and an upload that is late; no other."""
    for job in ("lost", "announced"):
        queued(store, job)
    given = NewJob(id="late", tenant="t", name="v", upload_key="uploads/late/source", upload_deadline_s=60.0)
    lifecycle.create_job(store, given)
    assert (diagnosis.unheard(store, after_s=30), diagnosis.late(store)) == ([], [])
    change(store, "UPDATE jobs SET updated_at = updated_at - 100, upload_deadline = upload_deadline - 100")
    change(store, "UPDATE outbox SET published_at = 1 WHERE job = 'lost'")
    assert [one.job.id for one in diagnosis.unheard(store, after_s=30)] == ["lost"]
    assert [one.job.id for one in diagnosis.late(store)] == ["late"]


def test_the_overview_counts(store: Store) -> None:
    """States, reasons, the outbox, attempts used by open jobs, and who lives with how many jobs."""
    for job in ("works", "fails"):
        queued(store, job)
    works = work.claim(store, "works", ME, lease_s=60)
    fails = work.claim(store, "fails", ME, lease_s=60)
    assert works is not None
    assert fails is not None
    assert work.fail(store, fails, BROKEN) is not None
    found = diagnosis.overview(store, dead_after_s=20)
    assert {state: count for state, (count, _) in found.states.items()} == {"active": 1, "failed": 1}
    assert [row[:3] for row in found.errors] == [("crashed", 1, 1)]
    assert found.outbox[0] == 2
    assert found.charged == {1: 1}
    assert [(one["instance"], one["jobs"], one["address"]) for one in found.instances] == [
        ("w-1", 1, "http://w-1")
    ]


def test_a_careless_clean_up_sees_every_open_attempt(store: Store) -> None:
    """But its own boot's."""
    queued(store, "works")
    assert work.claim(store, "works", ME, lease_s=60) is not None
    assert [job.id for job in recovery.open_attempts(store, boot_id="boot-2")] == ["works"]
    assert recovery.open_attempts(store, boot_id="boot-1") == []


def test_addresses_are_those_of_the_living(store: Store) -> None:
    """Of those that have one, until they say good-bye or fall silent."""
    events.register_instance(store, instance="w-2", role="worker", boot_id="boot-2", pid=2)
    assert events.addresses(store, within_s=20) == ["http://w-1"]
    change(store, "UPDATE instances SET heartbeat_at = heartbeat_at - 30")
    assert events.addresses(store, within_s=20) == []
    assert events.beat_instance(store, instance="w-1", boot_id="boot-1")
    assert events.addresses(store, within_s=20) == ["http://w-1"]
    events.stop_instance(store, instance="w-1", boot_id="boot-1")
    assert events.addresses(store, within_s=20) == []
