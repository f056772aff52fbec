"""An attempt waits for a dependency that is away for a while, whichever it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reference_service.domain import State
from reference_service.fakes import FakeStages, memory_world
from reference_service.ports import StageInput, StageOutput, Unavailable
from tests.unit.reference.drive import get, make, queued, work_until_idle


class AwayAtFirst:
    """A vision API that does not answer the first `times` calls."""

    def __init__(self, times: int) -> None:
        self.left = times

    def caption(self, jpeg: bytes) -> str:
        if self.left:
            self.left -= 1
            raise Unavailable("vision: connection refused")
        return "a picture"


class Captioning(FakeStages):
    """Asks the vision API in the stage that does."""

    def run(self, stage: str, given: StageInput) -> StageOutput:
        if stage == "captions":
            given.vision.caption(b"a picture")
        return super().run(stage, given)


@pytest.mark.parametrize("away", [4, 5, 40])
def test_a_vision_api_that_comes_back_costs_no_attempt(away: int, tmp_path: Path) -> None:
    """A restart is waited for within the attempt; for one that stays away the job waits in the queue."""
    world = memory_world(work_folder=str(tmp_path), attempts_max=3)
    service = replace(world.service, vision=AwayAtFirst(away), stages=Captioning())
    world = replace(world, service=service)
    job = queued(world)
    one, _ = make(world)
    work_until_idle(world, one, steps=1500)
    done = get(world, job)
    assert (done.state, done.charged) == (State.SUCCEEDED, 1)
    assert (done.attempt > 1) is (away > 4)


def test_without_a_breaker_a_vision_api_that_stays_away_uses_the_attempts_up(tmp_path: Path) -> None:
    """Which is what the defence is there to prevent."""
    world = memory_world(work_folder=str(tmp_path), attempts_max=3, defences_off="circuit_breaker")
    service = replace(world.service, vision=AwayAtFirst(1000), stages=Captioning())
    world = replace(world, service=service)
    job = queued(world)
    one, _ = make(world)
    work_until_idle(world, one)
    done = get(world, job)
    assert (done.state, done.charged) == (State.FAILED, 3)
