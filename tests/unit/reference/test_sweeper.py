"""What the sweeper brings back, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from reference_service import relay, sweeper, uploads
from reference_service.discards import FAILURES_MAX
from reference_service.domain import Outcome, Reason, State
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.ports import ObjectFacts, Unavailable
from reference_service.store import events, recovery, work
from tests.unit.reference.drive import VIDEO, get, initiate, make, moves, put, queued, rows, state_of

CLAIMANT = work.Claimant(instance="w", boot_id="b", pid=1)


def claim(world: MemoryWorld, job_id: str) -> None:
    lease_s = world.service.settings.lease_s
    assert work.claim(world.service.store, job_id, CLAIMANT, lease_s=lease_s) is not None


def sweep(world: MemoryWorld) -> dict[str, int]:
    return {name: count for name, count in sweeper.run_once(world.service).items() if count}


def test_an_expired_lease_is_given_back() -> None:
    """active -> queued with its event, the attempt lost; a lease that still runs is left alone."""
    world = memory_world()
    job = queued(world)
    claim(world, job.id)
    assert sweep(world) == {}
    world.clock.advance(61)
    assert sweep(world) == {"requeued": 1}
    assert sweep(world) == {}
    assert rows(world, "attempts")[0]["outcome"] == Outcome.LOST
    assert relay.publish(world.service) == 1


def test_one_sweep_brings_back_more_orphans_than_a_batch_has() -> None:
    """191 of one moment: each is back after a lease and a sweep, whatever came before it in the list."""
    world = memory_world()
    orphans = [queued(world) for _ in range(191)]
    for job in orphans:
        claim(world, job.id)
    world.clock.advance(61)
    assert sweep(world) == {"requeued": 191}
    assert {state_of(world, job) for job in orphans} == {State.QUEUED}


def test_a_batch_that_others_move_ends_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a full batch was to be had: the same list again would bring no more."""
    world = memory_world()
    for _ in range(recovery.BATCH):
        claim(world, queued(world).id)
    world.clock.advance(61)
    asked: list[str] = []
    monkeypatch.setattr(sweeper, "take_from_the_dead", lambda _service, job: asked.append(job.id))
    assert sweep(world) == {}
    assert len(asked) == recovery.BATCH


def test_an_expired_lease_of_the_last_attempt_fails_the_job() -> None:
    """Attempts used up: failed, crashed, and its checkpoints' files removed. Of four that were lost two were
    spared.
    """
    world = memory_world(attempts_max=2, losses_spared=2)
    job = queued(world)
    world.objects.put_bytes(f"artefacts/{job.id}/1/frames/x", b"x", "x")
    for charged in (0, 0, 1, 2):
        assert state_of(world, job) is State.QUEUED
        claim(world, job.id)
        world.clock.advance(61)
        sweep(world)
        assert get(world, job).charged == charged
    assert (state_of(world, job), get(world, job).reason) == (State.FAILED, Reason.CRASHED)
    assert list(world.objects.bodies) == [job.upload_key]


def test_without_losses_apart_each_is_charged() -> None:
    """`losses_apart` off is the bug that the defence prevents: three kills of its worker fail a sound job."""
    world = memory_world(attempts_max=3, defences_off="losses_apart")
    job = queued(world)
    for _ in range(3):
        claim(world, job.id)
        world.clock.advance(61)
        sweep(world)
    assert (state_of(world, job), get(world, job).reason) == (State.FAILED, Reason.CRASHED)


def test_without_lease_recovery_the_job_stays() -> None:
    """`lease_recovery` off is the bug that the defence prevents."""
    world = memory_world(defences_off="lease_recovery")
    job = queued(world)
    claim(world, job.id)
    world.clock.advance(1000)
    assert sweep(world) == {}
    assert state_of(world, job) is State.ACTIVE


def test_an_upload_that_never_came_expires() -> None:
    """awaiting_upload -> expired after the deadline, and not before."""
    world = memory_world(upload_deadline_s=10)
    job, _ = initiate(world)
    assert sweep(world) == {}
    world.clock.advance(11)
    assert sweep(world) == {"expired": 1}
    assert moves(world, job)[-1] == ("awaiting_upload", "expired")
    assert rows(world, "discards") == []


def test_without_upload_expiry_the_job_waits_for_ever() -> None:
    """`upload_expiry` off is the bug that the defence prevents."""
    world = memory_world(upload_deadline_s=10, defences_off="upload_expiry")
    job, _ = initiate(world)
    world.clock.advance(1000)
    assert sweep(world) == {}
    assert state_of(world, job) is State.AWAITING_UPLOAD


def test_an_upload_that_was_never_completed_is_queued() -> None:
    """The object is there and right: the job goes on without its client."""
    world = memory_world(upload_deadline_s=10)
    job = put(world)
    world.clock.advance(11)
    assert sweep(world) == {"queued": 1}
    assert state_of(world, job) is State.QUEUED


def test_a_wrong_object_expires_with_its_job() -> None:
    """Not what was announced: expired, and removed."""
    world = memory_world(upload_deadline_s=10)
    job, target = initiate(world)
    assert target.url is not None
    world.objects.client_put(target.url, b"short")
    world.clock.advance(11)
    assert sweep(world) == {"expired": 1}
    assert world.objects.bodies == {}
    assert state_of(world, job) is State.EXPIRED


def test_half_a_multipart_that_has_stopped_moving_expires() -> None:
    """It is aborted, so that its parts are not kept and paid for."""
    world = memory_world(upload_deadline_s=10, upload_idle_s=4)
    job, target = initiate(world, size_bytes=6, multipart_parts=2)
    world.objects.client_put(target.part_urls[0], b"abc")
    world.clock.advance(11)
    assert sweep(world) == {"expired": 1}
    assert world.objects.parts(job.upload_key, str(job.upload_id)) == []


def test_a_multipart_that_still_moves_is_put_off() -> None:
    """As long as a part comes within the idle period the deadline moves; then it is completed."""
    world = memory_world(upload_deadline_s=10, upload_idle_s=4)
    job, target = initiate(world, size_bytes=6, multipart_parts=2)
    world.clock.advance(9)
    world.objects.client_put(target.part_urls[0], b"abc")
    world.clock.advance(2)
    assert sweep(world) == {"put_off": 1}
    assert get(world, job).upload_deadline == world.clock.now() + 4
    assert sweep(world) == {}


def test_a_whole_multipart_that_was_never_completed_is_queued() -> None:
    """All that was announced is there: the parts are put together and the job goes on."""
    world = memory_world(upload_deadline_s=10)
    job, target = initiate(world, size_bytes=6, multipart_parts=2)
    for url in target.part_urls:
        world.objects.client_put(url, b"abc")
    world.clock.advance(11)
    assert sweep(world) == {"queued": 1}
    assert world.objects.get_bytes(job.upload_key) == b"abcabc"


def test_an_upload_that_cannot_be_decided_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the object store will not say of one job must not let all later ones wait for ever."""
    world = memory_world(upload_deadline_s=10)
    stuck, _ = initiate(world)
    world.clock.advance(1)
    other, _ = initiate(world)
    world.clock.advance(11)
    real = world.objects.head

    def head(key: str) -> ObjectFacts | None:
        if key == stuck.upload_key:
            raise Unavailable("s3: no")
        return real(key)

    monkeypatch.setattr(world.objects, "head", head)
    assert sweep(world) == {"expired": 1, "unavailable": 1}
    assert (state_of(world, stuck), state_of(world, other)) == (State.AWAITING_UPLOAD, State.EXPIRED)


def test_a_sweep_does_not_ask_a_dead_object_store_for_each_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few failures the part ends: each may have been a long wait, and leases expire meanwhile."""
    world = memory_world(upload_deadline_s=10)
    for _ in range(10):
        initiate(world)
    world.clock.advance(11)
    asked: list[str] = []

    def head(key: str) -> None:
        asked.append(key)
        raise Unavailable("s3: away")

    monkeypatch.setattr(world.objects, "head", head)
    sweep(world)
    assert len(asked) == FAILURES_MAX


def test_a_completion_between_look_and_decision_wins() -> None:
    """1. the sweeper finds no object, 2. the client puts and completes, 3. the sweeper's expiry misses."""
    world = memory_world(upload_deadline_s=10)
    job, target = initiate(world)
    assert target.url is not None
    url = target.url
    world.clock.advance(10)
    world.objects.client_put(url, VIDEO)
    del world.objects.bodies[job.upload_key]
    world.clock.advance(1)
    real = world.objects.head

    def head_then_complete(key: str) -> None:
        world.objects.head = real  # type: ignore[method-assign]  # of this one fake
        world.objects.put_bytes(key, VIDEO, "video/mp4")
        uploads.complete(world.service, job)

    world.objects.head = head_then_complete  # type: ignore[method-assign]  # of this one fake
    assert sweep(world) == {}
    assert state_of(world, job) is State.QUEUED
    assert world.objects.get_bytes(job.upload_key) == VIDEO


def test_a_lost_event_is_published_again() -> None:
    """Queued, published long ago, and still not claimed: once a period, until somebody claims it."""
    world = memory_world(reconcile_after_s=30)
    queued(world)
    for message in world.jobs_queue.receive(wait_s=0, most=1):
        world.jobs_queue.delete(message)
    assert sweep(world) == {}
    world.clock.advance(31)
    assert sweep(world) == {"announced": 1}
    assert sweep(world) == {}
    assert relay.publish(world.service) == 1
    world.clock.advance(31)
    assert sweep(world) == {"announced": 1}


def test_an_event_that_waits_in_the_outbox_is_not_doubled() -> None:
    """The relay is down: its backlog is not made longer."""
    world = memory_world(reconcile_after_s=30)
    uploads.complete(world.service, put(world))
    world.clock.advance(100)
    assert sweep(world) == {}
    assert len(rows(world, "outbox")) == 1


def test_without_reconciliation_a_lost_event_stays_lost() -> None:
    """`event_reconciliation` off is the bug that the defence prevents."""
    world = memory_world(reconcile_after_s=30, defences_off="event_reconciliation")
    queued(world)
    world.clock.advance(1000)
    assert sweep(world) == {}


def test_without_the_outbox_lost_events_are_sent_again_directly() -> None:
    """Reconciliation holds with `outbox` off, too."""
    world = memory_world(reconcile_after_s=30, defences_off="outbox")
    world.jobs_queue.away = True
    job = uploads.complete(world.service, put(world))
    world.jobs_queue.away = False
    world.clock.advance(31)
    assert sweep(world) == {"announced": 1}
    assert world.jobs_queue.bodies() == [{"job": job.id}]


def test_what_a_crash_left_to_remove_is_removed() -> None:
    """Killed between the commit that expires an upload and the removal: the next sweep removes it."""
    world = memory_world(upload_deadline_s=10)
    job, target = initiate(world)
    assert target.url is not None
    world.objects.client_put(target.url, b"short")
    world.clock.advance(11)

    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    world.points.actions["sweeper.upload.committed"] = kill
    with pytest.raises(Killed):
        sweep(world)
    world.points.actions.clear()
    assert state_of(world, job) is State.EXPIRED
    assert job.upload_key in world.objects.bodies
    world.clock.advance(11)
    assert sweep(world) == {"removed": 1}
    assert world.objects.bodies == {}


def test_a_sweep_ends_between_items_when_told_to_stop() -> None:
    """What it had not come to is found by the next sweep."""
    world = memory_world(upload_deadline_s=10)
    for _ in range(3):
        initiate(world)
    world.clock.advance(11)
    asked: list[bool] = []

    def stopping() -> bool:
        asked.append(True)
        return len(asked) > 3

    assert sweeper.run_once(world.service, stopping=stopping)["expired"] == 1
    assert sweep(world) == {"expired": 2}


def test_the_loop_sweeps_until_told_to_stop() -> None:
    """It registers, sweeps each period, and says good-bye."""
    world = memory_world(upload_deadline_s=10, sweep_every_s=5)
    job, _ = initiate(world)
    runtime = FakeRuntime(world.clock)
    real = runtime.wait

    def wait(timeout_s: float) -> None:
        real(timeout_s)
        runtime.stopping = state_of(world, job) is State.EXPIRED

    runtime.wait = wait  # type: ignore[method-assign]  # of this one fake
    sweeper.loop(world.service, runtime)
    (row,) = rows(world, "instances")
    assert (row["role"], row["stopped_at"]) == ("sweeper", world.clock.now())


def test_instances_that_ended_long_ago_are_forgotten(folder: str) -> None:
    """The register does not grow with every deploy; one that comes back registers again."""
    world = memory_world(work_folder=folder)
    one, _ = make(world, "boot-1")
    sweeper.run_once(world.service)
    assert len(rows(world, "instances")) == 1
    world.clock.advance(sweeper.KEEP_INSTANCES_S + 1)
    sweeper.run_once(world.service)
    assert rows(world, "instances") == []
    one.step()
    assert [row["boot_id"] for row in rows(world, "instances")] == ["boot-1"]


def test_events_of_weeks_are_forgotten_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement has its time: one for all of them would be cancelled in every sweep."""
    world = memory_world()
    for _ in range(12):
        queued(world)
    world.clock.advance(sweeper.KEEP_PUBLISHED_S + 1)
    monkeypatch.setattr(events, "PURGE_BATCH", 5)
    left: list[int] = []
    single = world.database.single

    def watched(work: Callable[[Connection], Any]) -> Any:
        found = single(work)
        left.append(len(rows(world, "outbox")))
        return found

    monkeypatch.setattr(world.database, "single", watched)
    assert events.purge_published(world.service.store, age_s=sweeper.KEEP_PUBLISHED_S) == 12
    assert left == [7, 2, 0]
