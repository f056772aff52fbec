"""What an attempt takes from earlier ones is made of what it builds on, also if stages come out otherwise."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from reference_service import relay
from reference_service.domain import STAGES, State
from reference_service.fakes import MemoryWorld, memory_world
from reference_service.ports import StageInput, StageOutput
from tests.unit.reference.drive import make, queued, state_of, work_until_idle


class Fickle:
    """Stages that note what they were made of; `frames` comes out otherwise each time, if it is told to."""

    def __init__(self, *, fickle: bool = True) -> None:
        self._runs = itertools.count(1)
        self._fickle = fickle
        self.ran: list[str] = []
        self.dies_in: str | None = None

    def run(self, stage: str, given: StageInput) -> StageOutput:
        if stage == self.dies_in:
            self.dies_in = None
            raise MemoryError
        self.ran.append(stage)
        run = next(self._runs) if self._fickle else 0
        made: dict[str, Any] = {"run": run}
        for earlier, folder in given.artefacts.items():
            for path in folder.glob("*"):  # frames go when nobody reads them any more
                made[earlier] = json.loads(path.read_text())["run"]
        name = "stitched.mp4" if stage == "stitch" else f"{stage}.json"
        (given.folder / name).write_text(json.dumps(made))
        return StageOutput(files=[name])


def died_in_captions(
    folder: str, stages: Fickle, defences_off: str = "", found: bytes | None = None
) -> MemoryWorld:
    """A job whose first attempt got as far as captions. `found`: what its frames are since; None: lost."""
    world = memory_world(work_folder=folder, defences_off=defences_off)
    world = replace(world, service=replace(world.service, stages=stages))
    stages.dies_in = "captions"
    job = queued(world)
    one, _ = make(world)
    one.step()
    one.step()
    assert (state_of(world, job), stages.ran) == (State.QUEUED, ["inspect", "frames", "scenes"])
    key = f"artefacts/{job.id}/1/frames/frames.json"
    if found is None:
        del world.objects.bodies[key]
    else:
        world.objects.bodies[key] = found
    stages.ran.clear()
    return world


def published(world: MemoryWorld) -> dict[str, Any]:
    """The captions of the one job, once another worker has done it."""
    one, _ = make(world, "boot-3")
    work_until_idle(world, one)
    [job] = world.database.run(lambda c: list(c.execute(text("SELECT id, token FROM jobs"))))
    captions: dict[str, Any] = json.loads(world.objects.bodies[f"outputs/{job.id}/{job.token}/captions.json"])
    return captions


def test_a_stage_runs_again_when_what_it_was_made_of_does(folder: str) -> None:
    """Else captions of the scenes of frames that are no more would be published, as a success."""
    stages = Fickle()
    world = died_in_captions(folder, stages)
    scenes_of = json.loads(next(body for key, body in world.objects.bodies.items() if "/scenes/" in key))
    assert scenes_of["frames"] == 2
    published(world)
    assert stages.ran == [stage for stage in STAGES[:-1] if stage != "inspect"]
    manifest = json.loads(next(body for key, body in world.objects.bodies.items() if "manifest" in key))
    assert "made_of" not in json.dumps(manifest)


def test_a_stage_that_comes_out_the_same_costs_no_other(folder: str) -> None:
    """Its files were lost, and those of the stages behind it are still of what it leaves now."""
    stages = Fickle(fickle=False)
    published(died_in_captions(folder, stages))
    assert stages.ran == ["frames", "captions", "thumbnails", "stitch"]


def test_switched_off_it_is_taken_as_it_is(folder: str) -> None:
    """`checkpoint_validation` off is the bug that the defence prevents."""
    stages = Fickle()
    world = died_in_captions(folder, stages, "checkpoint_validation", found=b'{"run": 7}')
    assert published(world)["frames"] == 7
    assert stages.ran == ["captions", "thumbnails", "stitch"]


def forget(world: MemoryWorld) -> None:
    """As a version before this one has written the rows."""
    world.database.run(lambda c: c.execute(text("UPDATE checkpoints SET facts = '{}'")))


@pytest.mark.parametrize(
    ("found", "ran"),
    [
        (None, ["frames", "scenes", "captions", "thumbnails", "stitch"]),
        (b'{"run": 2, "inspect": 1}', ["captions", "thumbnails", "stitch"]),
    ],
    ids=["an earlier stage runs again", "all are there"],
)
def test_rows_of_the_version_before_are_judged_by_their_tokens(
    found: bytes | None, ran: list[str], folder: str
) -> None:
    """No job that a deploy finds under way begins again for it, unless an earlier stage has since."""
    stages = Fickle()
    world = died_in_captions(folder, stages, found=found)
    forget(world)
    published(world)
    assert stages.ran == ran


def test_so_are_those_of_two_attempts_of_that_version(folder: str) -> None:
    """1. It ran frames again, and died. 2. Here are frames of the second attempt, scenes of the first."""
    stages = Fickle()
    world = died_in_captions(folder, stages)
    stages.dies_in = "scenes"
    one, _ = make(world, "boot-2")
    relay.publish(world.service)
    one.step()
    one.step()
    assert stages.ran == ["frames"]
    forget(world)
    stages.ran.clear()
    published(world)
    assert stages.ran == ["scenes", "captions", "thumbnails", "stitch"]
