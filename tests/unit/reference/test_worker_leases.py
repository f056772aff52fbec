"""Leases, and whose outputs stay: what a worker does when its job is, or may be, another's."""

from __future__ import annotations

import pytest

from reference_service import relay, sweeper, uploads, worker
from reference_service.domain import Job, Outcome, State
from reference_service.execution import execute
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.ports import CommitUnknown, Unavailable
from reference_service.settings import BadSettings
from reference_service.store import SqlDatabase, Store, recovery, work
from tests.unit.reference.drive import (
    KILLED,
    claimed,
    get,
    make,
    queued,
    rows,
    state_of,
    work_until_idle,
)


def test_heartbeats_keep_the_lease_and_tell_the_memory(folder: str) -> None:
    """While the child lives the lease is put off, again and again, with its resident set."""
    world = memory_world(work_folder=folder, lease_s=10, heartbeat_s=2)
    one, runtime = claimed(world, FakeRuntime(world.clock))[0], None
    assert runtime is None
    (job_row,) = rows(world, "jobs")
    job_id = job_row["id"]
    one._runtime.held = True  # type: ignore[attr-defined]  # a fake
    for _ in range(200):
        one.step()
    (job_row,) = rows(world, "jobs")
    assert world.clock.now() > job_row["created_at"] + 20
    assert job_row["lease_expires_at"] > world.clock.now()
    assert (job_row["id"], job_row["state"], job_row["rss_bytes"]) == (job_id, "active", 1024)


def test_a_child_whose_job_was_cancelled_is_killed(folder: str) -> None:
    """The next heartbeat finds out; what the attempt had stored is removed."""
    world = memory_world(work_folder=folder, heartbeat_s=1)
    runtime = FakeRuntime(world.clock)
    one, job = claimed(world, runtime)
    world.objects.put_bytes(f"artefacts/{job.id}/1/frames/x", b"x", "x")
    uploads.cancel(world.service, job)
    runtime.held = True
    work_until_idle(world, one)
    assert runtime.children[0].end is not None
    assert runtime.children[0].end.signal == 9
    assert state_of(world, job) is State.CANCELLED
    assert [key for key in world.objects.bodies if key.startswith("artefacts")] == []
    assert rows(world, "attempts")[0]["outcome"] == Outcome.HANDED_BACK


def steal(world: MemoryWorld, job_id: str) -> None:
    """Another worker has the job now: its lease ran out, and it was claimed again."""
    world.clock.advance(world.service.settings.lease_s + 1)
    (expired,) = recovery.expired_leases(world.service.store)
    assert (
        recovery.give_back(world.service.store, expired, attempts_max=3, losses_spared=0, only_expired=True)
        is not None
    )
    other = work.Claimant(instance="other", boot_id="other", pid=2)
    assert work.claim(world.service.store, job_id, other, lease_s=60) is not None


@pytest.mark.parametrize(("attempts_max", "state"), [(2, State.QUEUED), (1, State.FAILED)])
def test_a_worker_that_cannot_renew_a_lease_stops_its_child(
    attempts_max: int, state: State, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the lease ends; and once the database is back it gives the job up as the sweeper would."""
    world = memory_world(
        work_folder=folder, lease_s=10, heartbeat_s=2, attempts_max=attempts_max, losses_spared=0
    )
    runtime = FakeRuntime(world.clock)
    one, job = claimed(world, runtime)
    runtime.held = True

    def away(*_: object) -> None:
        raise Unavailable("database: away")

    with monkeypatch.context() as patched:
        patched.setattr(SqlDatabase, "run", away)
        patched.setattr(SqlDatabase, "single", away)
        while runtime.children[0].end is None:
            one.step()
            assert world.clock.now() < job.updated_at + 11
    one.step()
    assert (state_of(world, job), rows(world, "attempts")[0]["outcome"]) == (state, Outcome.LOST)


def test_a_heartbeat_that_fails_costs_no_other_job_its_lease(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody holds the row of the first job: the second one's lease is renewed all the same."""
    world = memory_world(work_folder=folder, lease_s=10, heartbeat_s=2, slots=2)
    runtime = FakeRuntime(world.clock)
    one, locked = claimed(world, runtime)
    other = queued(world)
    runtime.held = True
    one.step()
    real = work.heartbeat

    def heartbeat(store: Store, job: Job, *, lease_s: float, rss_bytes: int | None) -> work.Held | None:
        if job.id == locked.id:
            raise Unavailable("database: canceling statement due to statement timeout")
        return real(store, job, lease_s=lease_s, rss_bytes=rss_bytes)

    monkeypatch.setattr(work, "heartbeat", heartbeat)
    began_at = world.clock.now()
    while world.clock.now() < began_at + 15:
        one.step()
    lease_ends_at = get(world, other).lease_expires_at
    assert lease_ends_at is not None
    assert lease_ends_at > world.clock.now()


def test_outputs_of_an_attempt_that_did_not_succeed_are_removed(folder: str) -> None:
    """The first died after its last file was stored, the second succeeds: one set of outputs is left."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, runtime = make(world)
    runtime.held = True
    one.step()
    assert execute(world.service, get(world, job), runtime.children[0], one._root / "x")
    runtime.children[0].end = KILLED
    runtime.held = False
    work_until_idle(world, one)
    world.clock.advance(11)
    sweeper.run_once(world.service)
    found = {key.split("/")[2] for key in world.objects.bodies if key.startswith("outputs/")}
    assert (get(world, job).result_prefix, found) == (f"outputs/{job.id}/2/", {"2"})
    assert rows(world, "discards") == []


def test_outputs_that_a_fenced_attempt_stored_are_removed(folder: str) -> None:
    """It wrote on after its job had been taken over; what its successor published stays."""
    world = memory_world(work_folder=folder)
    one, job = claimed(world, FakeRuntime(world.clock))
    child = one._runtime.children[0]  # type: ignore[attr-defined]  # a fake
    child.run()  # to its end, outputs and all; only the move is missing
    steal(world, job.id)
    second = get(world, job)
    published = f"outputs/{job.id}/2/"
    world.objects.put_bytes(published + "manifest.json", b"{}", "x")
    assert work.succeed(world.service.store, second, result_prefix=published, peak_rss_bytes=None)
    one.step()
    assert [key for key in world.objects.bodies if key.startswith("outputs/")] == [
        published + "manifest.json"
    ]


def test_a_success_whose_answer_was_lost_keeps_its_outputs(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. the commit happens, 2. its answer is lost, 3. the worker asks again and is refused: its own."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, _ = make(world)
    real = work.succeed

    def succeed_and_lose_the_answer(*given: object, **named: object) -> None:
        monkeypatch.setattr(work, "succeed", real)
        real(*given, **named)  # type: ignore[arg-type]  # passed on as given
        raise CommitUnknown("gone")

    monkeypatch.setattr(work, "succeed", succeed_and_lose_the_answer)
    work_until_idle(world, one)
    prefix = get(world, job).result_prefix
    assert prefix is not None
    assert f"{prefix}manifest.json" in world.objects.bodies
    assert not [key for key in world.objects.bodies if key.startswith("artefacts/")]


def test_two_workers_of_one_name_do_not_work_side_by_side(folder: str) -> None:
    """The second finds the first one's heartbeats and says so; the first one's job is left alone."""
    world = memory_world(work_folder=folder, heartbeat_s=2)
    runtime = FakeRuntime(world.clock, "boot-1")
    one, job = claimed(world, runtime)
    second = FakeRuntime(world.clock, "boot-2")
    wait = second.wait

    def wait_while_the_first_works(timeout_s: float) -> None:
        wait(timeout_s)
        one._presence.beat_if_due()

    second.wait = wait_while_the_first_works  # type: ignore[method-assign]  # of this one fake
    with pytest.raises(BadSettings, match="REFERENCE_INSTANCE='local': another worker lives under this name"):
        worker.Worker(world.service, second).start()
    assert state_of(world, job) is State.ACTIVE


def test_a_worker_that_lost_its_lease_writes_nothing(folder: str) -> None:
    """The fence: the first attempt's end does not touch the job that the second holds."""
    world = memory_world(work_folder=folder)
    one, job = claimed(world, FakeRuntime(world.clock))
    steal(world, job.id)
    one._runtime.children[0].run()  # type: ignore[attr-defined]  # a fake
    one.step()
    now = get(world, job)
    assert (now.state, now.token, now.worker) == (State.ACTIVE, 2, "other")


def test_without_fencing_a_worker_that_lost_its_lease_ends_the_job(folder: str) -> None:
    """`fencing` off is the bug that the defence prevents."""
    world = memory_world(work_folder=folder, defences_off="fencing")
    one, job = claimed(world, FakeRuntime(world.clock))
    steal(world, job.id)
    one._runtime.children[0].run()  # type: ignore[attr-defined]  # a fake
    one.step()
    assert get(world, job).result_prefix == f"outputs/{job.id}/1/"


def test_a_job_that_comes_back_while_its_first_child_lives_runs_once(folder: str) -> None:
    """1. its lease runs out unnoticed, 2. it is queued, 3. the same worker claims it again: the first child
    is killed, and the second one's end is the job's."""
    world = memory_world(work_folder=folder, heartbeat_s=30)
    runtime = FakeRuntime(world.clock)
    one, job = claimed(world, runtime)
    world.clock.advance(61)
    (expired,) = recovery.expired_leases(world.service.store)
    assert (
        recovery.give_back(world.service.store, expired, attempts_max=3, losses_spared=0, only_expired=True)
        is not None
    )
    relay.publish(world.service)
    runtime.held = True
    one._take(*world.jobs_queue.receive(wait_s=0, most=1))
    one.step()
    first, second = runtime.children
    assert first.end is not None
    assert second.end is None
    runtime.held = False
    work_until_idle(world, one)
    assert (state_of(world, job), get(world, job).result_prefix) == (
        State.SUCCEEDED,
        f"outputs/{job.id}/2/",
    )
    assert not one._running
