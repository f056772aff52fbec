"""What a worker makes of jobs, of their children's ends, and of its own."""

from __future__ import annotations

import pytest

from reference_service import relay, sweeper
from reference_service.domain import STAGES, Outcome, Reason, State
from reference_service.execution import execute
from reference_service.fakes import FakeRuntime, memory_world
from reference_service.ports import ChildEnd, InvalidMedia, Unavailable
from reference_service.store import recovery
from tests.unit.reference.drive import (
    KILLED,
    claimed,
    get,
    initiate,
    make,
    moves,
    put,
    queued,
    rows,
    state_of,
    work_until_idle,
)

OOM = ChildEnd(exit_code=None, signal=9, result=None, peak_rss_bytes=7, oom_kills=1)


def test_a_job_goes_through_all_stages_and_is_published_once(folder: str) -> None:
    """It succeeds with its outputs, one effect, and nothing left behind."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, _ = make(world)
    work_until_idle(world, one)
    done = get(world, job)
    assert (done.state, done.result_prefix) == (State.SUCCEEDED, f"outputs/{job.id}/1/")
    assert [stage for _, stage in world.stages.ran] == list(STAGES[:-1])
    assert sorted(world.objects.bodies) == [
        f"outputs/{job.id}/1/captions.json",
        f"outputs/{job.id}/1/manifest.json",
        f"outputs/{job.id}/1/stitched.mp4",
        f"outputs/{job.id}/1/thumbnails.json",
        job.upload_key,
    ]
    assert list(world.sink.applied) == [f"{job.id}:published"]
    assert (rows(world, "checkpoints"), rows(world, "discards"), world.jobs_queue.bodies()) == ([], [], [])
    (attempt,) = rows(world, "attempts")
    assert (attempt["outcome"], attempt["boot_id"], attempt["peak_rss_bytes"]) == (
        "succeeded",
        "boot-1",
        2048,
    )


@pytest.mark.parametrize(
    "point", ["worker.claim.committed", "worker.stage.started", "worker.finish.committed"]
)
def test_the_points_are_reached(point: str, folder: str) -> None:
    """A harness can stop a worker after each of its commits."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, _ = make(world)
    work_until_idle(world, one)
    assert (point, job.id) in world.points.reached


def test_an_attempt_is_on_record_before_its_work_starts(folder: str) -> None:
    """At the first point after the claim the attempts log has it, charged."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    seen: list[object] = []
    world.points.actions["worker.claim.committed"] = lambda: seen.append(rows(world, "attempts")[0]["job"])
    one, _ = make(world)
    one.step()
    assert seen == [job.id]
    assert get(world, job).charged == 1


def test_a_message_of_a_job_that_is_not_queued_is_deleted(folder: str) -> None:
    """Late, doubled and meaningless events change nothing and do not come again."""
    world = memory_world(work_folder=folder)
    waiting, _ = initiate(world)
    for body in ({"job": waiting.id}, {"job": "j-none"}, {"job": 7}, {"job": "a\0b"}, {"raw": "x"}):
        world.jobs_queue.send(body)
    one, _ = make(world)
    work_until_idle(world, one)
    assert state_of(world, waiting) is State.AWAITING_UPLOAD
    assert world.jobs_queue.bodies() == []
    assert rows(world, "attempts") == []


def test_without_claim_only_queued_a_job_is_claimed_before_its_upload(folder: str) -> None:
    """`claim_only_queued` off is the bug that the defence prevents: the job fails for its missing object."""
    world = memory_world(work_folder=folder, defences_off="claim_only_queued")
    job, _ = initiate(world)
    relay.publish(world.service)
    one, _ = make(world)
    work_until_idle(world, one)
    assert moves(world, job)[1] == ("awaiting_upload", "active")
    assert get(world, job).reason is Reason.OBJECT_MISSING


@pytest.mark.parametrize(
    ("end", "reason"), [(KILLED, Reason.CRASHED), (OOM, Reason.MEMORY_EXCEEDED)], ids=["crash", "oom"]
)
def test_a_job_whose_child_always_dies_fails_after_its_attempts(
    end: ChildEnd, reason: Reason, folder: str
) -> None:
    """It is tried `attempts_max` times, then fails for what the evidence says."""
    world = memory_world(work_folder=folder, attempts_max=3)
    job = queued(world)
    one, runtime = make(world)
    runtime.endings = [end] * 10
    work_until_idle(world, one)
    done = get(world, job)
    assert (done.state, done.reason, done.attempt) == (State.FAILED, reason, 3)
    assert [row["outcome"] for row in rows(world, "attempts")] == [Outcome.FAILED] * 3
    assert rows(world, "discards") == []


def test_without_an_attempt_limit_a_job_is_tried_for_ever(folder: str) -> None:
    """`attempt_limit` off is the bug that the defence prevents."""
    world = memory_world(work_folder=folder, attempts_max=3, defences_off="attempt_limit")
    job = queued(world)
    one, runtime = make(world)
    runtime.endings = [KILLED] * 6
    work_until_idle(world, one, steps=20)
    assert get(world, job).attempt == 7


def test_a_permanent_reason_fails_at_once(folder: str) -> None:
    """What no second attempt can mend is not tried again."""
    world = memory_world(work_folder=folder)
    world.stages.failures["inspect"] = InvalidMedia("no moov atom")
    job = queued(world)
    one, _ = make(world)
    work_until_idle(world, one)
    done = get(world, job)
    assert (done.state, done.reason, done.attempt) == (State.FAILED, Reason.INVALID_MEDIA, 1)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(MemoryError(), Reason.MEMORY_EXCEEDED), (Unavailable("vision"), Reason.DEPENDENCY_UNAVAILABLE)],
    ids=["memory", "dependency"],
)
def test_a_passing_reason_is_tried_again(failure: BaseException, reason: Reason, folder: str) -> None:
    """The next attempt succeeds once the trouble is over, and resumes at the checkpoint."""
    world = memory_world(work_folder=folder)
    world.stages.failures["scenes"] = failure
    job = queued(world)
    one, _ = make(world)
    one.step()
    one.step()
    assert rows(world, "attempts")[0]["reason"] == reason
    world.stages.failures.clear()
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED
    assert [stage for _, stage in world.stages.ran].count("frames") == 1


def test_who_was_held_up_before_the_effect_and_lost_the_job_reports_none(folder: str) -> None:
    """Its outputs are stored, then its lease runs out and the job fails: the sink must not hear of it."""
    world = memory_world(work_folder=folder, attempts_max=1, losses_spared=0)
    one, runtime = make(world)
    job = queued(world)
    runtime.held = True
    one.step()

    def be_late() -> None:
        world.clock.advance(world.service.settings.lease_s + 1)
        sweeper.run_once(world.service)

    world.points.actions["worker.publish.before_effect"] = be_late
    report = execute(world.service, get(world, job), runtime.children[0], one._root / "x")
    assert report["outcome"] == "lease_lost"
    assert world.sink.reports == []
    assert state_of(world, job) is State.FAILED


def test_a_watchdog_kill_is_a_timeout(folder: str) -> None:
    """A child that lives too long is killed, and that is not reported as an OOM."""
    world = memory_world(work_folder=folder, attempts_max=1, stage_timeout_s=10, heartbeat_s=1)
    one, runtime = make(world)
    job = queued(world)
    runtime.held = True
    for _ in range(100):
        one.step()
        if state_of(world, job) is State.FAILED:
            break
    assert get(world, job).reason is Reason.TIMED_OUT


@pytest.mark.parametrize(("defences_off", "applied"), [("", 1), ("stable_effect_key", 2)])
def test_a_crash_after_the_effect_does_not_double_it(defences_off: str, applied: int, folder: str) -> None:
    """The second attempt's report has the first one's key; with `stable_effect_key` off it does not."""
    world = memory_world(work_folder=folder, defences_off=defences_off)
    job = queued(world)
    one, runtime = make(world)
    runtime.held = True
    one.step()
    assert execute(world.service, get(world, job), runtime.children[0], one._root / "x")
    runtime.children[0].end = KILLED
    runtime.held = False
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED
    assert (len(world.sink.reports), len(world.sink.applied)) == (2, applied)


@pytest.mark.parametrize(
    ("defences_off", "damage", "again"),
    [
        ("", b"bad", 1),
        ("", None, 1),
        ("checkpoint_validation", b"bad", 0),
        ("checkpoint_validation", None, 0),
    ],
    ids=["changed", "missing", "changed, trusted", "missing, trusted"],
)
def test_a_checkpoint_is_validated(defences_off: str, damage: bytes | None, again: int, folder: str) -> None:
    """A stage whose artefact is missing or changed runs again, and no other does."""
    world = memory_world(work_folder=folder, defences_off=defences_off)
    world.stages.failures["scenes"] = MemoryError()
    job = queued(world)
    one, _ = make(world)
    one.step()
    one.step()
    world.stages.failures.clear()
    world.stages.ran.clear()
    key = f"artefacts/{job.id}/1/frames/frames.json"
    if damage is None:
        del world.objects.bodies[key]
    else:
        world.objects.bodies[key] = damage
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED
    ran = [stage for _, stage in world.stages.ran]
    assert (ran.count("inspect"), ran.count("frames"), ran.count("scenes")) == (0, again, 1)


def test_a_drain_lets_jobs_finish_within_the_grace_period(folder: str) -> None:
    """SIGTERM: no new claim, the running job ends, then the worker is done."""
    world = memory_world(work_folder=folder, drain_grace_s=5)
    runtime = FakeRuntime(world.clock)
    one, job = claimed(world, runtime)
    waiting = queued(world)
    runtime.stopping = True
    work_until_idle(world, one)
    assert one.done
    assert (state_of(world, job), state_of(world, waiting)) == (State.SUCCEEDED, State.QUEUED)


def test_a_drain_hands_back_what_does_not_finish(folder: str) -> None:
    """After the grace period: active -> queued with its event, not charged, and the worker is done."""
    world = memory_world(work_folder=folder, drain_grace_s=0)
    runtime = FakeRuntime(world.clock)
    one, job = claimed(world, runtime)
    runtime.stopping = True
    work_until_idle(world, one)
    assert one.done
    back = get(world, job)
    assert (back.state, back.attempt, back.charged) == (State.QUEUED, 1, 0)
    assert [body["job"] for body in world.jobs_queue.bodies()] == [job.id]
    assert rows(world, "attempts")[0]["outcome"] == Outcome.HANDED_BACK


def test_a_drain_kills_a_child_that_does_not_listen(folder: str) -> None:
    """It is handed back all the same."""
    world = memory_world(work_folder=folder, drain_grace_s=0)
    runtime = FakeRuntime(world.clock)
    one, job = claimed(world, runtime)
    runtime.stopping = runtime.held = True
    for _ in range(20):
        one.step()
    assert one.done
    assert (state_of(world, job), get(world, job).charged) == (State.QUEUED, 0)


def test_a_message_that_comes_with_sigterm_is_given_to_others(folder: str) -> None:
    """What was received and not claimed is in the queue again at once, not after its visibility timeout."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, runtime = make(world)
    (message,) = world.jobs_queue.receive(wait_s=0, most=1)
    runtime.stopping = True
    one._take(message)
    assert [m.body["job"] for m in world.jobs_queue.receive(wait_s=0, most=10)] == [job.id]
    assert state_of(world, job) is State.QUEUED


def test_a_restarted_worker_takes_back_what_it_held(folder: str) -> None:
    """Killed and started again under its name, it finds its attempt in the log and queues the job at once."""
    world = memory_world(work_folder=folder)
    _, job = claimed(world, FakeRuntime(world.clock, "boot-1"))
    make(world, "boot-2")
    assert (state_of(world, job), rows(world, "attempts")[0]["outcome"]) == (State.QUEUED, Outcome.LOST)
    make(world, "boot-3")
    assert moves(world, job)[-1] == ("active", "queued")


def test_without_startup_cleanup_it_does_not(folder: str) -> None:
    """`startup_cleanup` off leaves the job to its lease."""
    world = memory_world(work_folder=folder, defences_off="startup_cleanup")
    _, job = claimed(world, FakeRuntime(world.clock, "boot-1"))
    make(world, "boot-2")
    assert state_of(world, job) is State.ACTIVE


@pytest.mark.parametrize(
    ("age_s", "stopped", "state"),
    [(0, False, State.ACTIVE), (30, False, State.QUEUED), (0, True, State.QUEUED)],
    ids=["live", "silent", "stopped"],
)
def test_only_dead_instances_lose_their_jobs(age_s: float, stopped: bool, state: State, folder: str) -> None:
    """A new worker leaves a live one's job alone, and takes that of one long silent or gone in order."""
    world = memory_world(work_folder=folder, instance_dead_after_s=20, lease_s=100)
    one, job = claimed(world, FakeRuntime(world.clock, "boot-1"))
    if stopped:
        one._presence.say_goodbye()
    world.clock.advance(age_s)
    found = recovery.dead_attempts(world.service.store, instance="another", boot_id="boot-2", dead_after_s=20)
    assert [one.id for one in found] == ([job.id] if state is State.QUEUED else [])


def test_an_unreachable_queue_is_survived(folder: str) -> None:
    """The worker waits and goes on; the job is done when the queue is back."""
    world = memory_world(work_folder=folder)
    job = queued(world)
    one, _ = make(world)
    world.jobs_queue.away = True
    for _ in range(3):
        one.step()
    world.jobs_queue.away = False
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED


def test_without_child_isolation_a_job_runs_in_the_worker(folder: str) -> None:
    """`child_isolation` off still does the work; the lease is renewed from within."""
    world = memory_world(work_folder=folder, defences_off="child_isolation")
    job = queued(world)
    one, _ = make(world)
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED


def test_a_job_put_and_never_completed_is_not_claimed(folder: str) -> None:
    """Its event, however it came about, finds a job that is not queued."""
    world = memory_world(work_folder=folder)
    job = put(world)
    world.jobs_queue.send({"job": job.id})
    one, _ = make(world)
    work_until_idle(world, one)
    assert state_of(world, job) is State.AWAITING_UPLOAD
