"""What a client may ask of a job, and what it is answered."""

from __future__ import annotations

import pytest

from reference_service import admission, relay, uploads
from reference_service.domain import Reason, State
from reference_service.fakes import memory_world
from reference_service.store import lifecycle, recovery
from tests.unit.reference.drive import VIDEO, get, initiate, moves, put, queued, rows, state_of


def test_an_upload_is_initiated_and_completed() -> None:
    """A completed upload leaves the job queued, with what was verified, and one event in the outbox."""
    world = memory_world()
    job = put(world)
    assert job.state is State.AWAITING_UPLOAD
    done = uploads.complete(world.service, job)
    assert (done.state, done.size_bytes) == (State.QUEUED, len(VIDEO))
    assert [row["job"] for row in rows(world, "outbox")] == [job.id]
    assert moves(world, job) == [(None, "awaiting_upload"), ("awaiting_upload", "queued")]


def test_completing_twice_queues_once() -> None:
    """A second completion answers the same and writes no second event."""
    world = memory_world()
    job = put(world)
    uploads.complete(world.service, job)
    again = uploads.complete(world.service, get(world, job))
    assert again.state is State.QUEUED
    assert len(rows(world, "outbox")) == 1


def test_completions_that_interleave_queue_once() -> None:
    """Two that have both verified the object before either commits: exactly one of them queues the job."""
    world = memory_world()
    job = put(world)

    def other() -> None:
        del world.points.actions["api.complete.before_commit"]
        uploads.complete(world.service, job)

    world.points.actions["api.complete.before_commit"] = other
    assert uploads.complete(world.service, job).state is State.QUEUED
    assert len(rows(world, "outbox")) == 1


def test_without_idempotency_an_ended_job_is_queued_again() -> None:
    """`complete_idempotency` off is the bug that the defence prevents: a final state is left."""
    world = memory_world(defences_off="complete_idempotency")
    job = put(world)
    uploads.cancel(world.service, job)
    world.objects.put_bytes(job.upload_key, VIDEO, "video/mp4")
    assert uploads.complete(world.service, get(world, job)).state is State.QUEUED
    assert moves(world, job)[-1] == ("cancelled", "queued")


def test_completing_without_the_object_is_refused() -> None:
    """The job goes on waiting for its upload."""
    world = memory_world()
    job, _ = initiate(world)
    with pytest.raises(admission.Refused) as refused:
        uploads.complete(world.service, job)
    assert refused.value.status == 409
    assert state_of(world, job) is State.AWAITING_UPLOAD


def test_without_the_object_check_a_job_is_queued_without_its_object() -> None:
    """`object_check` off is the bug that the defence prevents."""
    world = memory_world(defences_off="object_check")
    job, _ = initiate(world)
    assert uploads.complete(world.service, job).state is State.QUEUED


@pytest.mark.parametrize(("body", "etag"), [(b"too short", None), (VIDEO, "feedbeef")])
def test_an_object_that_is_not_what_was_announced_fails_the_job(body: bytes, etag: str | None) -> None:
    """Another size or another ETag: 422, failed for good, and the object is removed."""
    world = memory_world()
    job, target = initiate(world)
    assert target.url is not None
    world.objects.client_put(target.url, body)
    for _ in range(2):
        with pytest.raises(admission.Refused) as refused:
            uploads.complete(world.service, get(world, job), etag=etag)
        assert refused.value.status == 422
    assert get(world, job).reason is Reason.UPLOAD_MISMATCH
    assert world.objects.bodies == {}


def test_a_multipart_upload_is_put_together() -> None:
    """Completing puts the parts together once all that was announced is there, and not before."""
    world = memory_world()
    job, target = initiate(world, size_bytes=6, multipart_parts=2)
    world.objects.client_put(target.part_urls[0], b"abc")
    with pytest.raises(admission.Refused) as refused:
        uploads.complete(world.service, job)
    assert refused.value.status == 409
    world.objects.client_put(target.part_urls[1], b"def")
    assert uploads.complete(world.service, job).state is State.QUEUED
    assert world.objects.get_bytes(job.upload_key) == b"abcdef"


def test_an_expired_upload_is_gone() -> None:
    """410, and the object that came too late is removed."""
    world = memory_world(upload_deadline_s=5)
    job, _ = initiate(world)
    world.clock.advance(6)
    assert recovery.expire_upload(world.service.store, job.id) is not None
    world.objects.put_bytes(job.upload_key, VIDEO, "video/mp4")
    with pytest.raises(admission.Refused) as refused:
        uploads.complete(world.service, get(world, job))
    assert refused.value.status == 410
    assert world.objects.bodies == {}


def test_a_size_above_the_limit_is_refused() -> None:
    """413, and no job is made."""
    world = memory_world(upload_bytes_max=10)
    with pytest.raises(admission.Refused) as refused:
        initiate(world, size_bytes=11)
    assert refused.value.status == 413
    assert rows(world, "jobs") == []


def test_another_tenants_job_is_not_found() -> None:
    """404, as if there were none."""
    world = memory_world()
    job = put(world)
    with pytest.raises(admission.Refused) as refused:
        uploads.find(world.service, "other", job.id)
    assert refused.value.status == 404


def test_cancelling_is_idempotent_and_final() -> None:
    """A cancelled job stays so, its upload is removed, and an ended one cannot be cancelled."""
    world = memory_world()
    job = put(world)
    for _ in range(2):
        assert uploads.cancel(world.service, get(world, job)).state is State.CANCELLED
    assert world.objects.bodies == {}
    failed = put(world)
    lifecycle.fail_upload(world.service.store, failed.id, Reason.UPLOAD_MISMATCH)
    with pytest.raises(admission.Refused) as refused:
        uploads.cancel(world.service, get(world, failed))
    assert refused.value.status == 409


def test_a_retry_reuses_the_upload_that_is_still_there() -> None:
    """A cancelled job with a verified upload is retried as a new, queued job."""
    world = memory_world()
    job = queued(world)
    uploads.cancel(world.service, job)
    retried = uploads.retry(world.service, get(world, job))
    again = retried.job
    assert (retried.target, retried.new) == (None, True)
    assert (again.state, again.retry_of, again.upload_key) == (State.QUEUED, job.id, job.upload_key)
    assert state_of(world, job) is State.CANCELLED


def test_a_retry_without_an_upload_asks_for_one() -> None:
    """The new job waits for an upload of its own."""
    world = memory_world()
    job, _ = initiate(world)
    uploads.cancel(world.service, job)
    retried = uploads.retry(world.service, get(world, job))
    again = retried.job
    assert retried.target is not None
    assert (again.state, again.retry_of) == (State.AWAITING_UPLOAD, job.id)
    assert again.upload_key != job.upload_key


def test_a_retry_that_is_asked_for_twice_is_one_job() -> None:
    """A client that lost the answer asks again, and gets the same job and somewhere to put its file."""
    world = memory_world()
    job, _ = initiate(world)
    uploads.cancel(world.service, job)
    cancelled = get(world, job)
    first, second = (uploads.retry(world.service, cancelled) for _ in range(2))
    assert (first.job.id, first.new, second.new) == (second.job.id, True, False)
    assert second.target == first.target
    uploads.cancel(world.service, first.job)
    third = uploads.retry(world.service, cancelled)  # the retry has ended badly itself
    assert (third.new, third.job.id != first.job.id, third.job.retry_of) == (True, True, job.id)


def test_what_has_not_failed_is_not_retried() -> None:
    """409 for a job that is still on its way."""
    world = memory_world()
    with pytest.raises(admission.Refused) as refused:
        uploads.retry(world.service, queued(world))
    assert refused.value.status == 409


def test_a_notification_completes_an_upload() -> None:
    """The object store's word does what the client's does, and both together do it once."""
    world = memory_world(notify=True)
    job = put(world)
    assert relay.take_notifications(world.service) == 1
    uploads.complete(world.service, get(world, job))
    assert state_of(world, job) is State.QUEUED
    assert len(rows(world, "outbox")) == 1
    assert world.uploads_queue.bodies() == []


@pytest.mark.parametrize(
    "body",
    [
        {"Event": "s3:TestEvent"},
        {"raw": "not json"},
        {"Records": "odd"},
        {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "uploads/%00/source"}}}]},
        {"Records": [None, {"eventName": "ObjectCreated:Put"}, {"eventName": "ObjectRemoved:Delete"}]},
        {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "uploads/none/source"}}}]},
    ],
)
def test_a_notification_of_nothing_is_done_with(body: dict[str, object]) -> None:
    """What concerns no upload is deleted, and stops nobody."""
    world = memory_world()
    world.uploads_queue.send(body)
    assert relay.take_notifications(world.service) == 1
    assert world.uploads_queue.bodies() == []


def test_without_claim_only_queued_a_job_is_announced_before_its_upload() -> None:
    """`claim_only_queued` off is the bug that the defence prevents: the event comes before the object."""
    world = memory_world(defences_off="claim_only_queued")
    initiate(world)
    assert relay.publish(world.service) == 1


def test_without_the_outbox_an_event_is_sent_after_the_commit() -> None:
    """`outbox` off: nothing is in the transaction, and an unreachable queue loses the event."""
    world = memory_world(defences_off="outbox")
    first = uploads.complete(world.service, put(world))
    assert world.jobs_queue.bodies() == [{"job": first.id}]
    world.jobs_queue.away = True
    second = uploads.complete(world.service, put(world))
    assert second.state is State.QUEUED
    assert rows(world, "outbox") == []
    assert len(world.jobs_queue.bodies()) == 1
