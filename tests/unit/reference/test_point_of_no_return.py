"""Once the downstream system may have heard of a result, its job is not cancelled any more."""

from __future__ import annotations

import pytest

from reference_service import uploads
from reference_service.domain import STAGES, Outcome, State
from reference_service.fakes import FakeRuntime, MemoryWorld, memory_world
from reference_service.store import AttemptEnd, work
from reference_service.uploads import Refused
from tests.unit.reference.drive import claimed, get, state_of


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
