"""Jobs that somebody queued by hand: never claimed before their upload, and never lost."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from reference_service import relay, sweeper, uploads
from reference_service.admission import Refused
from reference_service.domain import Job, State
from reference_service.fakes import MemoryWorld, memory_world
from reference_service.store import lifecycle
from tests.unit.reference.drive import VIDEO, get, initiate, make, put, rows, state_of, work_until_idle


def queue_by_hand(world: MemoryWorld, job: Job) -> None:
    world.database.run(
        lambda c: c.execute(text("UPDATE jobs SET state = 'queued' WHERE id = :job"), {"job": job.id})
    )


def test_no_worker_claims_what_nobody_verified() -> None:
    """Although its event comes, as that of a job that was queued in good order would."""
    world = memory_world()
    job, _ = initiate(world)
    queue_by_hand(world, job)
    world.jobs_queue.send({"job": job.id})
    one, _ = make(world)
    work_until_idle(world, one)
    assert (state_of(world, job), rows(world, "attempts")) == (State.QUEUED, [])


@pytest.mark.parametrize("off", ["claim_only_verified", "object_check"])
def test_without_either_defence_it_is_claimed(off: str) -> None:
    """Then it fails, since there is nothing to fetch."""
    world = memory_world(defences_off=off)
    job, _ = initiate(world)
    queue_by_hand(world, job)
    world.jobs_queue.send({"job": job.id})
    one, _ = make(world)
    work_until_idle(world, one)
    assert state_of(world, job) is State.FAILED


def test_the_sweep_puts_back_whose_object_is_not_there() -> None:
    """Its client can complete it then, and the log has the move."""
    world = memory_world()
    job, target = initiate(world)
    queue_by_hand(world, job)
    assert sweeper.run_once(world.service)["put_back"] == 1
    assert state_of(world, job) is State.AWAITING_UPLOAD
    assert [(row["from_state"], row["to_state"]) for row in rows(world, "transitions")][-1] == (
        "queued",
        "awaiting_upload",
    )
    assert target.url is not None
    world.objects.client_put(target.url, VIDEO)
    assert uploads.complete(world.service, get(world, job)).state is State.QUEUED


def test_the_sweep_verifies_whose_object_is_there() -> None:
    """It stays queued, with its ETag and its event."""
    world = memory_world()
    job = put(world)
    queue_by_hand(world, job)
    assert sweeper.run_once(world.service)["verified"] == 1
    assert get(world, job).etag is not None
    relay.publish(world.service)
    one, _ = make(world)
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED


def test_an_object_that_is_not_what_was_announced_is_put_back() -> None:
    """Its completion then fails it, with the true reason."""
    world = memory_world()
    job = put(world, size_bytes=999)
    queue_by_hand(world, job)
    with pytest.raises(Refused, match="999 were announced"):
        uploads.complete(world.service, get(world, job))
    assert sweeper.run_once(world.service)["put_back"] == 1
    with pytest.raises(Refused, match="999 were announced"):
        uploads.complete(world.service, get(world, job))
    assert state_of(world, job) is State.FAILED


def test_a_completion_verifies_it_before_the_sweep_puts_it_back() -> None:
    """1. the sweep finds no object, 2. it is put and completed, 3. the sweep leaves the job queued."""
    world = memory_world()
    job = put(world)
    queue_by_hand(world, job)
    assert uploads.complete(world.service, get(world, job)).etag is not None
    assert sweeper.run_once(world.service)["put_back"] == 0
    assert state_of(world, job) is State.QUEUED
    assert [row["job"] for row in rows(world, "outbox")] == [job.id]


def test_a_completion_without_its_object_is_refused() -> None:
    """As it would be if nobody had meddled."""
    world = memory_world()
    job, _ = initiate(world)
    queue_by_hand(world, job)
    with pytest.raises(Refused) as refused:
        uploads.complete(world.service, get(world, job))
    assert refused.value.status == 409


def test_a_job_that_was_queued_in_good_order_is_left_alone() -> None:
    """A retry, too: it has the ETag of the job before it."""
    world = memory_world()
    job = uploads.complete(world.service, put(world))
    lifecycle.cancel_job(world.service.store, job.id)
    made = uploads.retry(world.service, get(world, job)).job
    counts = sweeper.run_once(world.service)
    assert (made.state, counts["put_back"], counts["verified"]) == (State.QUEUED, 0, 0)
