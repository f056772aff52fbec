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


@pytest.mark.parametrize(("away", "attempts"), [(5, 1), (1000, 3)])
def test_a_vision_api_that_comes_back_costs_no_attempt(away: int, attempts: int, tmp_path: Path) -> None:
    """A restart of it is waited for within the attempt; one that stays away uses the attempts up."""
    world = memory_world(work_folder=str(tmp_path), attempts_max=3, job_timeout_s=3600)
    service = replace(world.service, vision=AwayAtFirst(away), stages=Captioning())
    world = replace(world, service=service)
    job = queued(world)
    one, _ = make(world)
    work_until_idle(world, one)
    done = get(world, job)
    assert done.state is (State.SUCCEEDED if attempts == 1 else State.FAILED)
    assert done.attempt == attempts
