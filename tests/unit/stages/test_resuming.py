"""A stage that goes on in the middle comes to the same files as one that was never interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from reference_service.ports import HandBack, StageInput
from reference_service.stages import MediaStages, source, stitch
from reference_service.stages.source import open_source, video_frames
from tests.unit.stages.conftest import Pipeline

UNITS = {"frames": 12, "scenes": 12, "captions": 3, "thumbnails": 3, "stitch": 40}
UNITS_BEFORE = ("inspect", "frames", "scenes", "captions", "thumbnails")


def given(work: Pipeline, stage: str, folder: Path) -> StageInput:
    return replace(work._given(stage), folder=folder)


def files(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture
def work(pipeline: Callable[[str], Pipeline], monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A video of 45 frames, 12 of them sampled, 3 scenes; stitched in segments of 8."""
    monkeypatch.setattr(stitch, "SEGMENT_FRAMES", 8)
    return pipeline("short.mp4")


def left_at(work: Pipeline, stage: str, position: int, folder: Path) -> Path:
    """A folder with what the stage leaves at `position`, and nothing else."""
    half, kept = folder / "half", folder / "kept"
    half.mkdir(parents=True)
    kept.mkdir()

    def unit_done(done: int, leave: Callable[[], Sequence[str]]) -> None:
        if done == position:
            for name in leave():
                shutil.copy(half / name, kept / name)
            raise HandBack

    with pytest.raises(HandBack):
        MediaStages().run(stage, replace(given(work, stage, half), unit_done=unit_done))
    return kept


@pytest.mark.parametrize("stage", UNITS)
def test_from_wherever_it_goes_on_the_files_are_the_same(work: Pipeline, stage: str, tmp_path: Path) -> None:
    """At each position that a stage tells of: same names, same bytes, no unit done twice."""
    work.run_before(stage)
    positions: list[int] = []
    whole = tmp_path / "whole"
    whole.mkdir()
    asked = work.vision
    straight = replace(given(work, stage, whole), unit_done=lambda done, _: positions.append(done))
    output = MediaStages().run(stage, straight)
    assert positions[-1] == UNITS[stage]
    for position in positions:
        work.vision = type(asked)()
        kept = left_at(work, stage, position, tmp_path / str(position))
        again: list[int] = []

        def unit_done(done: int, _: object, to: list[int] = again) -> None:
            to.append(done)

        resumed = replace(given(work, stage, kept), position=position, unit_done=unit_done)
        found = MediaStages().run(stage, resumed)
        assert again == [one for one in positions if one > position]
        assert found == output
        assert files(kept, found.files) == files(whole, output.files)


def test_a_stage_left_between_two_units_goes_on_from_the_last(work: Pipeline, tmp_path: Path) -> None:
    """`stitch` is interrupted within a segment: it leaves the segments before, all of them."""
    work.run_before("stitch")
    whole, half, kept = tmp_path / "whole", tmp_path / "half", tmp_path / "kept"
    for folder in (whole, half, kept):
        folder.mkdir()
    output = MediaStages().run("stitch", given(work, "stitch", whole))
    told: list[tuple[int, Callable[[], Sequence[str]]]] = []
    calls = iter(range(1000))

    def interrupt() -> None:
        if next(calls) == 60:
            raise HandBack

    begun = replace(
        given(work, "stitch", half), interrupt=interrupt, unit_done=lambda *done: told.append(done)
    )
    with pytest.raises(HandBack):
        MediaStages().run("stitch", begun)
    position, leave = told[-1]
    assert 0 < position < UNITS["stitch"]
    for name in leave():
        shutil.copy(half / name, kept / name)
    resumed = replace(given(work, "stitch", kept), position=position)
    assert MediaStages().run("stitch", resumed) == output
    assert files(kept, output.files) == files(whole, output.files)


def pts(path: Path, behind: int | None) -> list[int]:
    with open_source(path) as opened:
        return [frame.pts for frame in video_frames(opened, lambda: None, bounded=True, behind_pts=behind)]


@pytest.mark.parametrize("key_frames", ["one", "many"])
def test_frames_behind_one_are_those_of_a_pass_from_the_beginning(work: Pipeline, key_frames: str) -> None:
    """Wherever it begins, also behind the last one, where none are left."""
    path = work.source
    if key_frames == "many":
        work.run(*UNITS_BEFORE, "stitch")
        path = work.folder / "stitch" / "stitched.mp4"
    every = pts(path, None)
    for number, one in enumerate(every):
        assert pts(path, one) == every[number + 1 :]


def test_an_index_that_lies_about_key_frames_costs_a_pass_from_the_beginning(
    videos: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frame that was the last must be met on the way: a seek that lands behind it is not believed."""
    path = videos("short.mp4")
    every = pts(path, None)
    sought: list[int] = []

    class Astray:
        """Lands two seconds too late at first."""

        def __init__(self, inner: av.container.InputContainer) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def seek(self, offset: int, **given: Any) -> None:
            sought.append(offset)
            if len(sought) == 1:
                self._inner.seek(every[-2], any_frame=True, stream=self._inner.streams.video[0])
            else:
                self._inner.seek(offset, **given)

    opened = source._checked
    monkeypatch.setattr(
        source, "_checked", lambda container: replace(opened(container), container=Astray(container))
    )
    behind = every[3]
    with open_source(path) as found:
        frames = [frame.pts for frame in video_frames(found, lambda: None, bounded=True, behind_pts=behind)]
    assert frames == every[4:]
    assert len(sought) == 2
