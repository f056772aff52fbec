"""Once the downstream system may have heard of a result, its job is not cancelled any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_service import uploads
from reference_service.admission import Refused
from reference_service.domain import STAGES, Job, Outcome, State
from reference_service.execution import execute
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.store import AttemptEnd, recovery, work
from tests.unit.reference.drive import KILLED, claimed, get, state_of, work_until_idle

OTHER = work.Claimant(instance="other", boot_id="other", pid=2)


@pytest.fixture
def world(tmp_path) -> MemoryWorld:
    return memory_world(work_folder=str(tmp_path))


@pytest.mark.parametrize("stage", STAGES)
def test_a_job_is_cancelled_until_it_is_published(world: MemoryWorld, stage: str) -> None:
    """The client is told that it comes too late, and the job goes on."""
    _, job = claimed(world, FakeRuntime(world.clock))
    assert work.start_stage(world.service.store, job, stage)
    if stage != STAGES[-1]:
        assert uploads.cancel(world.service, get(world, job)).state is State.CANCELLED
        return
    with pytest.raises(Refused, match="being published"):
        uploads.cancel(world.service, get(world, job))
    assert state_of(world, job) is State.ACTIVE


def test_a_job_whose_publishing_was_cut_short_is_not_cancelled_before_the_next_attempt(
    world: MemoryWorld,
) -> None:
    """The attempt that is gone may have told the downstream system before it went."""
    _, job = claimed(world, FakeRuntime(world.clock))
    assert work.start_stage(world.service.store, job, STAGES[-1])
    assert work.requeue(world.service.store, job, AttemptEnd(outcome=Outcome.HANDED_BACK)) is not None
    with pytest.raises(Refused, match="being published"):
        uploads.cancel(world.service, get(world, job))
    assert state_of(world, job) is State.QUEUED


def test_a_job_whose_effect_was_begun_is_not_cancelled_in_its_next_attempt_either(
    world: MemoryWorld,
) -> None:
    """1. an attempt dies after its report, 2. another begins with another stage, 3. a client cancels."""
    _, job = claimed(world, FakeRuntime(world.clock))
    died_after_its_effect(world, job)
    again = work.claim(world.service.store, job.id, OTHER, lease_s=60)
    assert again is not None
    assert work.start_stage(world.service.store, again, "captions")
    with pytest.raises(Refused, match="being published"):
        uploads.cancel(world.service, get(world, job))
    assert state_of(world, job) is State.ACTIVE


def test_a_job_that_is_cancelled_first_begins_no_effect(world: MemoryWorld) -> None:
    """The worker hears so right before its report."""
    _, job = claimed(world, FakeRuntime(world.clock))
    uploads.cancel(world.service, job)
    assert not work.begin_effect(world.service.store, job)


def test_a_last_attempt_that_dies_after_its_effect_is_not_the_last(tmp_path: Path) -> None:
    """Its child is gone without a word: the job is tried again, and ends published instead of failed."""
    world = memory_world(work_folder=str(tmp_path), attempts_max=1)
    runtime = FakeRuntime(world.clock)
    one, job = claimed(world, runtime)
    assert execute(world.service, job, runtime.children[0], tmp_path / "x")["outcome"] == "succeeded"
    runtime.children[0].end = KILLED
    work_until_idle(world, one)
    done = get(world, job)
    assert (done.state, done.attempt) == (State.SUCCEEDED, 2)
    assert [report["key"] for report in world.sink.reports] == [f"{job.id}:published"] * 2


def test_a_sweep_that_read_its_list_before_the_effect_does_not_fail_the_job(world: MemoryWorld) -> None:
    """1. the sweeper lists a late job, 2. its last attempt begins the effect, 3. the sweeper decides."""
    _, job = claimed(world, FakeRuntime(world.clock))
    world.clock.advance(world.service.settings.lease_s + 1)
    (listed,) = recovery.expired_leases(world.service.store)
    assert work.begin_effect(world.service.store, job)
    moved = recovery.give_back(
        world.service.store, listed, attempts_max=1, losses_spared=0, only_expired=True
    )
    assert moved is not None
    assert moved.state is State.QUEUED


def test_attempts_after_an_effect_come_to_an_end_too(tmp_path: Path) -> None:
    """As many again: a job that always dies there fails."""
    world = memory_world(work_folder=str(tmp_path), attempts_max=2)
    runtime = FakeRuntime(world.clock)
    one, job = claimed(world, runtime)
    assert work.begin_effect(world.service.store, job)
    runtime.endings = [KILLED] * 10
    runtime.children[0].end = KILLED
    work_until_idle(world, one)
    done = get(world, job)
    assert (done.state, done.attempt) == (State.FAILED, 4)


def died_after_its_effect(world: MemoryWorld, job: Job) -> None:
    """Its lease runs out while it publishes, and the job is given back."""
    assert work.start_stage(world.service.store, job, STAGES[-1])
    assert work.begin_effect(world.service.store, job)
    world.clock.advance(world.service.settings.lease_s + 1)
    assert (
        recovery.give_back(world.service.store, job, attempts_max=3, losses_spared=0, only_expired=True)
        is not None
    )
