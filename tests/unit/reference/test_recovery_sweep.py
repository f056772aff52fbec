"""The recovery sweep: what it finds, what it leaves alone and why, and that it runs alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import text

from reference_service import recovery_sweep, relay, sweeper, uploads
from reference_service.domain import Job, State
from reference_service.fakes import MemoryWorld, memory_world
from reference_service.recovery_sweep import Summary
from reference_service.store import recovery, recovery_runs, stuck, work
from reference_service.store.recovery_runs import Decision, NotNow, RunState
from tests.unit.reference.drive import VIDEO, get, initiate, moves, put, queued, rows, state_of

CLAIMANT = work.Claimant(instance="w", boot_id="b", pid=1)


def run(world: MemoryWorld, **chosen: object) -> Summary:
    return recovery_sweep.run_once(world.service, trigger="schedule", **chosen)  # type: ignore[arg-type]  # by name


def lost(world: MemoryWorld) -> Job:
    """A queued job whose event was sent and never arrived, long ago."""
    job = queued(world)
    [message] = world.jobs_queue.receive(wait_s=0, most=1)
    world.jobs_queue.delete(message)
    world.clock.advance(601)
    return job


def at_listing(world: MemoryWorld, act: Callable[[], object]) -> None:
    """Does something between the list and the decision."""
    world.points.actions["recovery.job.listed"] = lambda: (act(), None)[1]


def claim(world: MemoryWorld, job: Job) -> Job:
    taken = work.claim(world.service.store, job.id, CLAIMANT, lease_s=60)
    assert taken is not None
    return taken


def test_a_job_whose_event_was_lost_is_announced_again_and_tagged() -> None:
    """Without a move: it waited, and waits; what is new is its event, and who asked for it."""
    world = memory_world()
    job = lost(world)
    before = moves(world, job)
    summary = run(world)
    assert [(item.job, item.decision) for item in summary.items] == [(job.id, "triggered")]
    assert moves(world, job) == before
    assert get(world, job).triggered_by == "recovery"
    assert relay.publish(world.service) == 1


def test_nothing_is_done_twice() -> None:
    """A job that was triggered has a run: its event waits, then was sent lately."""
    world = memory_world()
    job = lost(world)
    run(world)
    assert recovery_sweep.find(world.service) == []
    relay.publish(world.service)
    assert recovery_sweep.find(world.service) == []
    world.clock.advance(301)
    assert [one.job.id for one in recovery_sweep.find(world.service)] == [job.id]


def test_young_jobs_and_jobs_that_were_run_lately_are_not_stuck() -> None:
    """Ten minutes since its creation, five since its last run; both from the settings or by hand."""
    world = memory_world()
    queued(world)
    world.clock.advance(301)
    assert recovery_sweep.find(world.service) == []
    assert len(recovery_sweep.find(world.service, age_s=240)) == 1
    world.clock.advance(300)
    assert len(recovery_sweep.find(world.service)) == 1


def test_a_job_that_was_given_back_a_moment_ago_is_not_stuck() -> None:
    """However old it is: it was run, and its event waits."""
    world = memory_world()
    job = lost(world)
    claim(world, job)
    world.clock.advance(61)
    sweeper.run_once(world.service)
    relay.publish(world.service)
    assert recovery_sweep.find(world.service) == []


def test_an_upload_that_nobody_told_of_is_completed() -> None:
    """awaiting_upload -> queued, as its client would have done; what is not there is left to its deadline."""
    world = memory_world()
    silent = put(world)
    world.clock.advance(1)
    empty, _ = initiate(world)
    world.clock.advance(601)
    summary = run(world)
    assert [(item.job, item.decision, item.reason) for item in summary.items] == [
        (silent.id, "triggered", None),
        (empty.id, "skipped", recovery_sweep.NOTHING_THERE),
    ]
    assert (state_of(world, silent), state_of(world, empty)) == (State.QUEUED, State.AWAITING_UPLOAD)
    assert get(world, silent).triggered_by == "recovery"


def test_an_upload_that_is_not_what_was_announced_fails_and_is_counted_so() -> None:
    """The job has its reason, and the record says what was wrong."""
    world = memory_world()
    job = put(world, size_bytes=999)
    world.clock.advance(601)
    [item] = run(world).items
    assert item.decision == "failed"
    assert "999 were announced" in str(item.reason)
    assert state_of(world, job) is State.FAILED


def test_a_multipart_upload_that_still_moves_is_not_stuck() -> None:
    """Until no part has come for `upload_idle_s`; all parts together are an upload that is there."""
    world = memory_world(upload_idle_s=300)
    job, target = initiate(world, multipart_parts=2)
    world.clock.advance(601)
    world.objects.client_put(target.part_urls[0], VIDEO[:3])
    assert recovery_sweep.find(world.service) == []
    world.clock.advance(301)
    assert [one.job.id for one in recovery_sweep.find(world.service)] == [job.id]
    assert run(world).skipped == {"no upload": 1}
    world.objects.client_put(target.part_urls[1], VIDEO[3:])
    assert len(run(world).items) == 1
    assert state_of(world, job) is State.QUEUED


def test_a_part_that_comes_between_list_and_decision_is_seen() -> None:
    """The race of the case before."""
    world = memory_world(upload_idle_s=300)
    _, target = initiate(world, multipart_parts=2)
    world.clock.advance(601)
    at_listing(world, lambda: world.objects.client_put(target.part_urls[0], VIDEO[:3]))
    assert run(world).skipped == {"uploading": 1}


def test_a_job_that_a_worker_takes_between_list_and_decision_is_left_alone() -> None:
    """1. listed, 2. claimed, 3. decided: it has a run."""
    world = memory_world()
    job = lost(world)
    at_listing(world, lambda: claim(world, job))
    assert run(world).skipped == {"running": 1}
    assert (state_of(world, job), get(world, job).token) == (State.ACTIVE, 1)


def test_a_job_that_was_put_back_between_list_and_decision_is_not_queued() -> None:
    """1. it is listed, queued by hand, 2. the sweeper puts it back: its upload never came, 3. decided."""
    world = memory_world()
    job, _ = initiate(world)
    by_hand = text("UPDATE jobs SET state = 'queued' WHERE id = :job")
    world.database.run(lambda connection: connection.execute(by_hand, {"job": job.id}))
    world.clock.advance(601)
    at_listing(world, lambda: recovery.put_back(world.service.store, job.id))
    assert run(world).skipped == {"moved": 1}
    assert state_of(world, job) is State.AWAITING_UPLOAD


def test_uploads_that_never_came_keep_no_job_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are, and however old: a run goes through all of them."""
    monkeypatch.setattr(stuck, "AT_ONCE", 3)
    world = memory_world()
    for _ in range(7):
        initiate(world)
    world.clock.advance(10)
    job = lost(world)
    summary = run(world)
    assert [item.job for item in summary.of(Decision.TRIGGERED)] == [job.id]
    assert (len(summary.items), rows(world, "recovery_runs")[0]["found"]) == (8, 8)


def test_an_object_store_that_is_slow_costs_a_run_not_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """1. its questions for multipart uploads take longer than the lease, 2. another run is asked for."""
    world = memory_world(recovery_lease_s=60)
    for _ in range(4):
        initiate(world, multipart_parts=2)
    job = lost(world)
    parts = world.objects.parts

    def slowly(key: str, upload_id: str) -> object:
        world.clock.advance(20)
        with suppress(NotNow):
            recovery_runs.begin(world.service.store, trigger="http", lease_s=60, exclusive=True)
        return parts(key, upload_id)

    monkeypatch.setattr(world.objects, "parts", slowly)
    summary = run(world)
    assert summary.state is RunState.DONE
    assert [item.job for item in summary.of(Decision.TRIGGERED)] == [job.id]


def test_a_job_that_ended_between_list_and_decision_is_left_alone() -> None:
    """1. listed, 2. claimed and done, 3. decided."""
    world = memory_world()
    job = lost(world)

    def done() -> None:
        taken = claim(world, job)
        assert work.succeed(world.service.store, taken, result_prefix="p", peak_rss_bytes=None) is not None

    at_listing(world, done)
    assert run(world).skipped == {"ended": 1}
    assert state_of(world, job) is State.SUCCEEDED


def test_a_job_that_was_announced_between_list_and_decision_is_left_alone() -> None:
    """By the sweeper, say: scheduled first, and pending when the relay has sent it."""
    world = memory_world()
    lost(world)
    at_listing(world, lambda: sweeper.run_once(world.service))
    assert run(world).skipped == {"scheduled": 1}
    world.clock.advance(301)
    relay.publish(world.service)
    world.clock.advance(301)
    at_listing(world, lambda: (sweeper.run_once(world.service), relay.publish(world.service)))
    assert run(world).skipped == {"pending": 1}


def others(world: MemoryWorld, count: int) -> None:
    for _ in range(count):
        job = uploads.complete(world.service, put(world))
        claim(world, job)
        world.clock.advance(0.001)


@pytest.mark.parametrize(("runs", "seen"), [(99, True), (100, False)])
def test_a_look_at_the_last_hundred_runs_breaks_at_the_next(runs: int, *, seen: bool) -> None:
    """`recovery_asks_per_job` off: the job's own run is the hundred and first, and it is run twice."""
    world = memory_world(defences_off="recovery_asks_per_job", recovery_lease_s=600, lease_s=600)
    job = lost(world)

    def busy() -> None:
        world.points.actions.clear()
        claim(world, job)
        world.clock.advance(0.001)
        others(world, runs)

    at_listing(world, busy)
    [item] = run(world).items
    assert (item.decision == "skipped") is seen
    assert (state_of(world, job) is State.ACTIVE) is seen


def test_the_question_per_job_does_not_mind_how_many_others_ran() -> None:
    """The defence on, with more runs than any list holds."""
    world = memory_world(recovery_lease_s=600, lease_s=600)
    job = lost(world)

    def busy() -> None:
        world.points.actions.clear()
        claim(world, job)
        others(world, 120)

    at_listing(world, busy)
    assert run(world).skipped == {"running": 1}


def test_one_run_at_a_time_whoever_begins_it() -> None:
    """The second is refused while the first has its lease, and says whose it is."""
    world = memory_world()
    lost(world)
    refused: list[str] = []

    def second() -> None:
        with pytest.raises(NotNow) as error:
            recovery_sweep.run_once(world.service, trigger="http")
        refused.append(str(error.value))

    at_listing(world, second)
    assert run(world).state is RunState.DONE
    assert refused == ["a recovery run of local is under way; look at its record"]
    world.points.actions.clear()
    assert run(world).run == 2, "and then there is room for another"


def test_a_run_whose_process_died_frees_itself() -> None:
    """Its lease runs out; the next one closes its record as abandoned."""
    world = memory_world(recovery_lease_s=60)
    recovery_runs.begin(world.service.store, trigger="schedule", lease_s=60, exclusive=True)
    with pytest.raises(NotNow):
        run(world)
    world.clock.advance(61)
    assert run(world).state is RunState.DONE
    assert [row["state"] for row in rows(world, "recovery_runs")] == ["abandoned", "done"]


def test_a_run_that_was_held_up_for_longer_than_its_lease_writes_nothing_more() -> None:
    """1. it lists, 2. another takes its lease, 3. it wakes: lost, and its decision not made."""
    world = memory_world(recovery_lease_s=60)
    job = lost(world)

    def overtaken() -> None:
        world.points.actions.clear()
        world.clock.advance(61)
        recovery_runs.begin(world.service.store, trigger="http", lease_s=60, exclusive=True)

    at_listing(world, overtaken)
    summary = run(world)
    assert (summary.state, summary.items) == (RunState.LOST, [])
    assert get(world, job).triggered_by is None
    assert [row["state"] for row in rows(world, "recovery_runs")] == ["abandoned", "running"]


def test_a_pause_holds_for_everybody_and_ends_a_run_before_its_next_job() -> None:
    """It is a row: no process has to live for it."""
    world = memory_world()
    lost(world)
    at_listing(world, lambda: recovery_runs.pause(world.service.store, by="me"))
    assert (run(world).state, run_states(world)) == (RunState.STOPPED, ["stopped"])
    with pytest.raises(NotNow, match=r"paused since .* by me; resume it first"):
        run(world)
    assert recovery_runs.resume(world.service.store)
    assert not recovery_runs.resume(world.service.store), "once is enough"
    world.points.actions.clear()
    assert len(run(world).items) == 1


def run_states(world: MemoryWorld) -> list[str]:
    return [row["state"] for row in rows(world, "recovery_runs")]


def test_a_run_that_is_told_to_stop_ends_between_two_jobs() -> None:
    """And gives its lease back, so that the next may begin at once."""
    world = memory_world()
    lost(world)
    assert run(world, stopping=lambda: True).state is RunState.STOPPED
    assert run(world).state is RunState.DONE


def test_each_run_leaves_its_record() -> None:
    """Who began it, what it found, and what it did with each job, with the age that it had reached."""
    world = memory_world()
    job = lost(world)
    summary = run(world)
    assert summary.run is not None
    found = recovery_runs.run_and_items(world.service.store, summary.run)
    assert found is not None
    [record], (known, [item]) = recovery_runs.runs(world.service.store, limit=5), found
    assert record == known
    assert (record.trigger, record.actor, record.state) == ("schedule", "local", RunState.DONE)
    assert (record.found, record.triggered, record.skipped, record.failed) == (1, 1, 0, 0)
    assert (item.job, item.decision, item.state) == (job.id, "triggered", "queued")
    assert item.age_s == pytest.approx(601)
    assert recovery_runs.run_and_items(world.service.store, 99) is None


def test_a_dry_run_writes_nothing() -> None:
    """No record, no lease, no event, and it is not kept out by a pause."""
    world = memory_world()
    job = lost(world)
    recovery_runs.pause(world.service.store, by="me")
    summary = recovery_sweep.dry_run(world.service)
    assert [one.job.id for one in summary.found] == [job.id]
    assert rows(world, "recovery_runs") == []
    assert get(world, job).triggered_by is None


def test_what_a_run_did_is_counted() -> None:
    """Found, by result, skips by reason, and the time from creation to recovery."""
    world = memory_world()
    lost(world)
    initiate(world)
    world.clock.advance(601)
    run(world)
    text = world.service.metrics.render().decode()
    for line in (
        "reference_recovery_found_total 2.0",
        'reference_recovery_jobs_total{result="triggered"} 1.0',
        'reference_recovery_skips_total{why="no upload"} 1.0',
        "reference_recovery_seconds_count 1.0",
    ):
        assert line in text
