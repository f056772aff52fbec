"""How long a stage may take, when an attempt may begin, and how often a call is tried again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from reference_service import relay
from reference_service.clock import SystemRandomness
from reference_service.domain import Reason, State
from reference_service.fakes import ManualClock, MemoryWorld, SeededRandomness, memory_world
from reference_service.ports import Unavailable
from reference_service.retry import Budget, backoff_s, persist
from reference_service.store import work
from reference_service.store.work import Held
from reference_service.timeouts import MIB, first_timeout_s, stage_timeout_s
from reference_service.worker import Worker
from tests.unit.reference.drive import KILLED, get, make, queued, state_of, work_until_idle


@pytest.mark.parametrize(
    ("mib", "stage", "seconds"),
    [
        (1, "inspect", 60),
        (1, "frames", 70),
        (1, "stitch", 80),
        (1000, "scenes", 60 + 5000),
        (5000, "stitch", 6 * 3600),
        (None, "frames", 6 * 3600),
    ],
)
def test_a_stage_has_time_by_its_cost_and_the_size_of_the_job(
    mib: int | None, stage: str, seconds: float
) -> None:
    """With the defaults; never more than the most, and as much when nobody knows the size."""
    world = memory_world()
    job = replace(get(world, queued(world)), size_bytes=None if mib is None else mib * MIB)
    assert stage_timeout_s(world.service, job, stage) == seconds


def test_switched_off_all_attempts_have_the_same_time() -> None:
    """Whatever the job's size."""
    world = memory_world(defences_off="timeout_by_size", job_timeout_s=77)
    job = get(world, queued(world))
    assert {first_timeout_s(world.service, replace(job, size_bytes=size)) for size in (1, 10**9)} == {77.0}


def enter(stage: str, connection: Connection) -> None:
    """The child of the one job enters a stage."""
    connection.exec_driver_sql("UPDATE jobs SET stage = ?", (stage,))


def test_a_stage_has_its_time_from_when_it_is_heard_of(tmp_path: Path) -> None:
    """A small job that hangs in a stage fails there, though its attempt has been long at other stages."""
    world = memory_world(work_folder=str(tmp_path), attempts_max=1, stage_timeout_s=30, heartbeat_s=1)
    one, runtime = make(world)
    job = queued(world)
    runtime.held = True
    one.step()
    begun = world.clock.now()
    for stage in ("frames", "scenes", "stitch"):
        world.service.store.run(partial(set_stage, stage=stage))
        while world.clock.now() < begun + 20:
            one.step()
        assert state_of(world, job) is State.ACTIVE
        begun = world.clock.now()
    while state_of(world, job) is State.ACTIVE:
        one.step()
    assert get(world, job).reason is Reason.TIMED_OUT
    assert 8 <= world.clock.now() - begun <= 15


def hold_in(world: MemoryWorld, one: Worker, stages: dict[float, str], until_s: float) -> float:
    """The one job's child enters stages so many seconds from now, and ends none; when it was killed (s)."""
    began = world.clock.now()
    entered = dict(stages)
    job = next(iter(one._running.values())).job
    while (passed_s := world.clock.now() - began) < until_s and state_of(world, job) is State.ACTIVE:
        for at_s in [at_s for at_s in entered if at_s <= passed_s]:
            world.service.store.run(partial(set_stage, stage=entered.pop(at_s)))
        one.step()
    return world.clock.now() - began


def test_a_stage_that_ended_in_time_is_not_killed_for_the_next_ones_sake(tmp_path: Path) -> None:
    """1. frames is heard of at 15 s and has 65 from there, 2. it ends at 77.9, and scenes begins, 3. the time
    of frames is over, 10 s before the next heartbeat.
    """
    world = memory_world(work_folder=str(tmp_path), attempts_max=1, stage_timeout_s=65)
    one, runtime = make(world)
    job = queued(world)
    runtime.held, runtime.longest_wait_s = True, 0.1
    one.step()
    killed_at = hold_in(world, one, {14.9: "frames", 77.9: "scenes"}, until_s=300)
    assert (state_of(world, job), get(world, job).reason) == (State.FAILED, Reason.TIMED_OUT)
    assert 77.9 + 65 <= killed_at <= 77.9 + 65 + 16


def test_nobody_is_killed_for_a_stage_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away when the time of frames is over: scenes, which it would name, is left alone."""
    world = memory_world(work_folder=str(tmp_path), attempts_max=1, stage_timeout_s=65, lease_s=120)
    one, runtime = make(world)
    job = queued(world)
    runtime.held, runtime.longest_wait_s = True, 0.1
    one.step()
    real, began = work.heartbeat, world.clock.now()

    def heartbeat(*given: Any, **named: Any) -> Held | None:
        if 76 <= world.clock.now() - began <= 95:
            raise Unavailable("database: away")
        return real(*given, **named)

    monkeypatch.setattr(work, "heartbeat", heartbeat)
    killed_at = hold_in(world, one, {14.9: "frames", 77.9: "scenes"}, until_s=300)
    assert get(world, job).reason is Reason.TIMED_OUT
    assert killed_at >= 95 + 65


def test_an_attempt_that_failed_is_followed_by_the_next_after_a_pause(tmp_path: Path) -> None:
    """The row says when, no claim gets it before, and the event waits as long in the outbox."""
    world = memory_world(work_folder=str(tmp_path), retry_first_s=8)
    one, runtime = make(world)
    job = queued(world)
    runtime.endings = [KILLED]
    one.step()
    one.step()
    waiting = get(world, job)
    assert waiting.not_before is not None
    assert 4 <= waiting.not_before - world.clock.now() <= 8
    assert relay.publish(world.service) == 0
    world.jobs_queue.send({"job": job.id})  # a duplicate that comes too early
    one.step()
    assert state_of(world, job) is State.QUEUED
    world.clock.advance(8)
    assert relay.publish(world.service) == 1
    work_until_idle(world, one)
    assert state_of(world, job) is State.SUCCEEDED
    assert get(world, job).not_before is None


def test_pauses_between_attempts_double_and_are_spread() -> None:
    """Half to whole of first, twice that, … up to the longest."""
    for failures, most in ((1, 5), (2, 10), (3, 20), (9, 300), (10_000, 300)):
        drawn = [backoff_s(SystemRandomness(), failures, first_s=5, longest_s=300) for _ in range(50)]
        assert all(most / 2 <= pause_s <= most for pause_s in drawn)
        assert len(set(drawn)) > 1


def tries(budget: Budget | None, within_s: float = 20.0) -> int:
    """How often something that never answers is asked."""
    asked = 0

    def ask() -> None:
        nonlocal asked
        asked += 1
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        persist(ManualClock(), SeededRandomness(), ask, within_s=within_s, budget=budget)
    return asked


def test_calls_of_an_attempt_share_a_budget_of_retries() -> None:
    """The first call spends it, and the second is asked once."""
    budget = Budget(3)
    assert [tries(budget), tries(budget)] == [4, 1]
    assert tries(None) > 10


def test_ten_successes_earn_a_retry_and_never_more_than_the_most() -> None:
    """A dependency that mostly answers is asked a tenth more often than it answers."""
    budget = Budget(1)
    for _ in range(100):
        persist(ManualClock(), SeededRandomness(), lambda: None, within_s=1, budget=budget)
    assert tries(budget) == 2
    for _ in range(11):
        persist(ManualClock(), SeededRandomness(), lambda: None, within_s=1, budget=budget)
    assert tries(budget) == 2


def set_stage(connection: Connection, *, stage: str) -> None:
    connection.exec_driver_sql("UPDATE jobs SET stage = ?", (stage,))
