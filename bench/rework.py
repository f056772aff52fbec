"""`python -m bench rework`: how much of a stage is done again after a crash, with what production keeps.

A worker is killed behind pictures that dice choose, in the stages that go through a video picture by picture;
on real processes, with the service's own default of pictures between two checkpoints; once with checkpoints
within stages, and once without. Beside it, by the rule alone, how long a video has to be for that to pay.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.claims.runs import NothingJudgedError, unstuck
from reference_service.settings import Settings
from reference_service.stages.frames import FRAMES_PER_S
from unstuck.checks.story import Story
from unstuck.history import read_history
from unstuck.rng import split
from unstuck.scenario import UNIT_DONE

# 320x240, so that what is restored weighs much against what is decoded: the least that there is to gain.
VIDEO: Final = "minute.mp4"
UNITS: Final = 240  # pictures that are sampled of it
STAGES: Final = ("frames", "scenes")
CRASHES: Final = 4  # in each stage
EVERY: Final = int(Settings.model_fields["checkpoint_units"].default)
OFF: Final = ("--defence-off", "stage_checkpoints")
SCENARIO: Final = """\
name: killed-in-a-minute
summary: A worker dies in the middle of a stage of a video of a minute.
budget_s: 90
workload:
  - upload: {{count: 1, tag: film, video: {video}}}
faults:
  - when: {{point: worker.unit.done, job: film, stage: {stage}, attempt: 1, nth: {nth}}}
    while: {{active_jobs: ">=1"}}
    kill: {{role: worker, which: here, scope: tree}}
expect:
  every_job_terminal: {{}}
  outcomes: {{succeeded: {{exactly: 1}}}}
  result_intact: {{}}
  rework_within: {{units_max: {units}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What one crash cost. `units`: done twice; `back_s`: from the next claim until the work was past the
    place of the crash, with whatever had to be fetched, restored and decoded again for that."""

    units: int
    back_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rework:
    """All crashes together, with checkpoints in the stage (`kept`) and without (`lost`)."""

    places: tuple[tuple[str, int], ...]  # stage, and after how many pictures
    kept: tuple[Again, ...]
    lost: tuple[Again, ...]

    @property
    def units(self) -> tuple[int, int]:
        """(with, without)"""
        return sum(one.units for one in self.kept), sum(one.units for one in self.lost)

    @property
    def back_s(self) -> tuple[float, float]:
        """(with, without)"""
        return sum(one.back_s for one in self.kept), sum(one.back_s for one in self.lost)


def main(argv: Sequence[str]) -> int:
    argparse.ArgumentParser(prog="python -m bench rework", description=__doc__).parse_args(argv)
    found = measure()
    for (stage, nth), kept, lost in zip(found.places, found.kept, found.lost, strict=True):
        print(
            f"{stage:8} after {nth:3}: {kept.units:3} of {lost.units:3} pictures again, "
            f"{kept.back_s:5.2f} of {lost.back_s:5.2f} s"
        )
    kept_units, lost_units = found.units
    kept_s, lost_s = found.back_s
    print(
        f"together {kept_units} of {lost_units}: {1 - kept_units / lost_units:.0%} less; "
        f"{kept_s:.1f} of {lost_s:.1f} s"
    )
    for share in (0.6, 0.8):
        units = pays_from(share)
        print(f"{share:.0%} less on average from {units} pictures on: {units / FRAMES_PER_S:.0f} s of video")
    return 0


def places(seed: int = 1) -> tuple[tuple[str, int], ...]:
    """Where the crashes are: each picture of a stage is as likely."""
    dice = split(seed, "rework")
    return tuple((stage, dice.randint(1, UNITS - 1)) for stage in STAGES for _ in range(CRASHES))


def measure() -> Rework:
    """Runs each crash twice, one after the other: whatever else the machine does, it does to both. Raises
    `NothingJudgedError`.
    """
    chosen = places()
    pairs = [(_crash(stage, nth, ()), _crash(stage, nth, OFF)) for stage, nth in chosen]
    return Rework(places=chosen, kept=tuple(kept for kept, _ in pairs), lost=tuple(lost for _, lost in pairs))


def _crash(stage: str, nth: int, flags: Sequence[str]) -> Again:
    with tempfile.TemporaryDirectory(prefix="unstuck-rework-") as folder:
        file = Path(folder) / "killed-in-a-minute.yaml"
        file.write_text(SCENARIO.format(video=VIDEO, stage=stage, nth=nth, units=UNITS), encoding="utf-8")
        unstuck(["run", str(file), *flags], folder)
        [verdict] = {path.resolve() for path in Path(folder).rglob("verdict.json")}
        summary = json.loads(verdict.read_text(encoding="utf-8"))["summary"]
        story = Story(read_history(verdict.with_name("history.jsonl")))
    if summary["verdict"] != "pass":
        raise NothingJudgedError(f"killed in {stage} after {nth} with {flags}: {summary['verdict']}")
    return Again(units=_units(summary), back_s=back_s(story, stage, nth))


def _units(summary: Mapping[str, Any]) -> int:
    [found] = [one["figures"] for one in summary["properties"] if one["name"] == "rework_within"]
    return int(found["rework_units"])


def back_s(story: Story, stage: str, nth: int) -> float:
    """Seconds from the second claim until a picture behind the nth of this stage was done."""
    [job] = story.jobs.values()
    done = [at_s for at_s, position in _done(story, stage) if position > nth and at_s > job.claims[1].at_s]
    return min(done) - job.claims[1].at_s


def _done(story: Story, stage: str) -> Iterator[tuple[float, int]]:
    for process in story.processes.values():
        for event in process.points:
            if event.data.get("point") == UNIT_DONE and event.data.get("stage") == stage:
                yield event.at_ns / 1e9, int(event.data["position"])


def saved(units: int, every: int = EVERY) -> float:
    """How much less is done again on average, when each picture of a stage is as likely to be the last one.

    By the rule alone: of n done, those behind the last multiple of `every` are lost, and n without.
    """
    done = range(1, units + 1)
    return 1 - sum(n % every for n in done) / sum(done)


def pays_from(share: float, every: int = EVERY) -> int:
    """From how many pictures on so much less is done again, on average, however many more there are."""
    longest = 20 * every
    below = [units for units in range(1, longest) if saved(units, every) < share]
    return max(below, default=0) + 1
