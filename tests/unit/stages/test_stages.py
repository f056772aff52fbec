"""What each stage makes of a good video, and how it stops."""

from __future__ import annotations

import itertools
import struct
import tempfile
from pathlib import Path

import av
import pytest

from reference_service import media
from reference_service.ports import HandBack, Unavailable

STAGES = ("inspect", "frames", "scenes", "captions", "thumbnails", "stitch")
FRAMES_OF_TINY = 10


def test_inspect_says_what_the_source_is(pipeline):
    """The facts of `inspect` are those that the video was made with."""
    work = pipeline("tiny.mp4")
    work.run("inspect")
    facts = work.read("inspect", "inspect.json")
    assert facts == {
        "duration_s": pytest.approx(1.0, abs=0.001),
        "size_bytes": work.source.stat().st_size,
        "width": 160,
        "height": 120,
        "fps": 10.0,
        "video_codec": "h264",
        "audio_codec": "aac",
    }


def test_inspect_accepts_a_video_without_sound(pipeline, tmp_path):
    """A video without an audio stream is inspected and stitched, and has none after."""
    silent = tmp_path / "silent.mp4"
    media.make_video(silent, seconds=0.5, width=64, height=48, fps=10, audio=False)
    work = pipeline(silent)
    work.run(*STAGES)
    assert work.outputs["inspect"].facts["audio_codec"] is None
    found = media.examine(work.folder / "stitch" / "stitched.mp4")
    assert [stream["type"] for stream in found["streams"]] == ["video"]


def test_frames_samples_at_even_times(pipeline):
    """`frames` writes a decodable JPEG four times a second, with its time."""
    work = pipeline("tiny.mp4")
    work.run("inspect", "frames")
    index = work.read("frames", "index.json")["frames"]
    assert [entry["at_s"] for entry in index] == pytest.approx([0.0, 0.3, 0.5, 0.8])
    for entry in index:
        with av.open(str(work.folder / "frames" / entry["file"])) as picture:
            assert [(f.width, f.height) for f in picture.decode(video=0)] == [(160, 120)]


def test_frames_shrinks_large_pictures_and_keeps_their_shape(pipeline, tmp_path):
    """A sampled frame is at most 320 pixels wide, with the shape of the source."""
    wide = tmp_path / "wide.mp4"
    media.make_video(wide, seconds=0.2, width=800, height=200, fps=5, audio=False)
    work = pipeline(wide)
    work.run("inspect", "frames")
    with av.open(str(work.folder / "frames" / "frame-00000.jpg")) as picture:
        assert [(f.width, f.height) for f in picture.decode(video=0)] == [(320, 80)]


def test_frames_of_a_long_video_are_bounded_in_number(pipeline, monkeypatch):
    """A video longer than its share of frames is sampled more thinly, over its whole length."""
    monkeypatch.setattr("reference_service.stages.frames.FRAMES_MAX", 3)
    work = pipeline("short.mp4")
    work.run("inspect", "frames")
    index = work.read("frames", "index.json")["frames"]
    assert [entry["at_s"] for entry in index] == pytest.approx([0.0, 1.0, 2.0])


def test_scenes_finds_the_cuts(pipeline):
    """The three scenes of `short.mp4`, a second each, are found where they were put."""
    work = pipeline("short.mp4")
    work.run("inspect", "frames", "scenes")
    scenes = work.read("scenes", "scenes.json")["scenes"]
    assert [scene["start_s"] for scene in scenes] == pytest.approx([0.0, 1.0, 2.0], abs=0.26)
    assert [scene["end_s"] for scene in scenes] == pytest.approx([1.0, 2.0, 3.0], abs=0.26)


def test_scenes_sees_no_cut_where_something_only_moves(pipeline, tmp_path):
    """Motion within one scene is no cut."""
    moving = tmp_path / "moving.mp4"
    media.make_video(moving, seconds=2, width=160, height=120, fps=10, audio=False, scenes=1)
    work = pipeline(moving)
    assert work.run("inspect", "frames", "scenes").facts == {"scenes": 1}


def test_scenes_are_bounded_in_number(pipeline, monkeypatch):
    """Of more cuts than are taken, the strongest remain, in order."""
    monkeypatch.setattr("reference_service.stages.scenes.SCENES_MAX", 2)
    work = pipeline("short.mp4")
    assert work.run("inspect", "frames", "scenes").facts == {"scenes": 2}
    first, second = work.read("scenes", "scenes.json")["scenes"]
    assert first["end_s"] == second["start_s"]


def test_captions_asks_once_a_scene(pipeline):
    """Each scene has one caption, asked with one JPEG."""
    work = pipeline("short.mp4")
    work.run("inspect", "frames", "scenes", "captions")
    captions = work.read("captions", "captions.json")["captions"]
    assert [entry["caption"] for entry in captions] == ["Caption 1.", "Caption 2.", "Caption 3."]
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in work.vision.asked)


def test_captions_passes_on_that_vision_is_unavailable(pipeline):
    """A vision API that is down is no fault of the video: `Unavailable` reaches the worker."""

    class Down:
        def caption(self, jpeg: bytes) -> str:
            raise Unavailable("vision: down")

    work = pipeline("tiny.mp4")
    work.vision = Down()
    work.run("inspect", "frames", "scenes")
    with pytest.raises(Unavailable, match="down"):
        work.run("captions")


def test_thumbnails_makes_one_a_scene_and_a_poster(pipeline):
    """Each scene has a JPEG at most 160 pixels wide, and the whole has a poster."""
    work = pipeline("short.mp4")
    work.run("inspect", "frames", "scenes", "thumbnails")
    listed = work.read("thumbnails", "thumbnails.json")
    assert len(listed["scenes"]) == 3
    sizes = []
    for name in [*listed["scenes"], listed["poster"]]:
        with av.open(str(work.folder / "thumbnails" / name)) as picture:
            sizes += [(f.width, f.height) for f in picture.decode(video=0)]
    assert sizes == [(160, 120)] * 3 + [(320, 240)]


@pytest.mark.parametrize("name", ["tiny.mp4", "short.mp4"])
def test_stitch_keeps_duration_streams_and_sync(pipeline, name):
    """What is stitched decodes wholly, and has the source's duration, streams, times and drift."""
    work = pipeline(name)
    work.run(*STAGES)
    before = media.examine(work.source)
    after = media.examine(work.folder / "stitch" / "stitched.mp4")
    assert before["decodes"]
    assert after == before | {"duration_s": pytest.approx(before["duration_s"], abs=0.001)}


@pytest.mark.parametrize(("timed", "least_s", "most_s"), [(True, -0.001, 0.001), (False, 0.9, 1.0)])
def test_stitch_keeps_the_sound_of_an_unsteady_source_in_step(pipeline, timed, least_s, most_s):
    """Each picture keeps its own time; counted at the nominal rate they would be over a second too soon."""
    work = pipeline("unsteady.mp4")
    work.timed = timed
    work.run("stitch")
    before = media.examine(work.source)
    after = media.examine(work.folder / "stitch" / "stitched.mp4")
    assert after["decodes"]
    assert least_s <= media.sound_behind_s(after, before) <= most_s


def test_stitch_makes_h264_of_other_codecs(pipeline, tmp_path):
    """A source in another codec comes out as H.264 with its own duration."""
    other = tmp_path / "other.mp4"
    media.make_video(other, seconds=1, width=160, height=120, fps=10, codec="mpeg4")
    work = pipeline(other)
    work.run(*STAGES)
    after = media.examine(work.folder / "stitch" / "stitched.mp4")
    assert after["streams"][0]["codec"] == "h264"
    assert after["streams"][0]["frames"] == FRAMES_OF_TINY
    assert after["duration_s"] == pytest.approx(1.0, abs=0.001)


def test_stitch_takes_one_of_two_pictures_for_one_moment(pipeline, tmp_path, videos):
    """A source that shows all its pictures at once is stitched, though an MP4 holds one a moment."""
    content = videos("tiny.mp4").read_bytes()
    at = content.index(b"stts") + 8
    assert struct.unpack(">III", content[at : at + 12]) == (1, FRAMES_OF_TINY, 1024)
    path = tmp_path / "at-once.mp4"
    path.write_bytes(content[: at + 8] + bytes(4) + content[at + 12 :])
    work = pipeline(path)
    assert work.run("stitch").facts["frames"] == 1


def test_stitch_gives_the_same_bytes_each_time(pipeline, tmp_path):
    """Two attempts at one stage cannot be told apart by what they wrote."""
    work = pipeline("tiny.mp4")
    work.run(*STAGES)
    first = (work.folder / "stitch" / "stitched.mp4").read_bytes()
    work.folder = tmp_path / "again"
    work.folder.mkdir()
    work.outputs.clear()
    work.run(*STAGES)
    assert (work.folder / "stitch" / "stitched.mp4").read_bytes() == first


def test_unbounded_stages_make_the_same_files(pipeline):
    """Without `bounded_memory` the stages do the same work; only their memory differs."""
    work = pipeline("tiny.mp4")
    work.bounded = False
    work.run(*STAGES)
    assert media.examine(work.folder / "stitch" / "stitched.mp4")["streams"][0]["frames"] == FRAMES_OF_TINY
    assert work.outputs["frames"].facts == {"frames": 4}


@pytest.mark.parametrize("stage", STAGES)
def test_outputs_name_exactly_the_files_that_were_written(pipeline, stage):
    """A stage says of each file in its folder that it is its own, and of no other."""
    work = pipeline("tiny.mp4")
    work.run(*STAGES[: STAGES.index(stage) + 1])
    assert sorted(work.outputs[stage].files) == sorted(p.name for p in (work.folder / stage).iterdir())


@pytest.mark.parametrize(
    ("stage", "least"),
    [
        ("inspect", 1),
        ("frames", FRAMES_OF_TINY),
        ("scenes", 4),
        ("captions", 2),
        ("thumbnails", 2),
        ("stitch", FRAMES_OF_TINY),
    ],
)
def test_interrupt_is_asked_at_least_once_an_item(pipeline, stage, least):
    """A stage can be stopped at each frame or item that it works on."""
    work = pipeline("tiny.mp4")
    work.run_before(stage)
    calls = itertools.count()
    work.interrupt = lambda: next(calls)
    work.run(stage)
    assert next(calls) >= least


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("stage", STAGES)
def test_hand_back_leaves_nothing_outside_the_folder(pipeline, stage, bounded, tmp_path, monkeypatch):
    """Interrupted at its last chance, a stage raises `HandBack` and leaves files in its folder only."""
    work = pipeline("tiny.mp4")
    work.bounded = bounded
    work.run_before(stage)
    calls = itertools.count(1)
    work.interrupt = lambda: next(calls)
    work.run(stage)
    last = next(calls) - 1
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    (work.folder / stage).rename(tmp_path / "whole")
    before = set(Path(work.folder).rglob("*"))
    countdown = iter(range(last, 0, -1))

    def stop() -> None:
        if next(countdown) == 1:
            raise HandBack

    work.interrupt = stop
    with pytest.raises(HandBack):
        work.run(stage)
    assert list(elsewhere.iterdir()) == []
    new = set(Path(work.folder).rglob("*")) - before
    assert all((work.folder / stage) in {path, *path.parents} for path in new)


def test_hand_back_before_the_first_frame_of_stitch(pipeline):
    """`stitch` can be stopped before its output has even a header."""

    def stop() -> None:
        raise HandBack

    work = pipeline("tiny.mp4")
    work.interrupt = stop
    with pytest.raises(HandBack):
        work.run("stitch")


def test_unknown_stage_is_refused(pipeline):
    """`publish` is the worker's own, and no media work."""
    with pytest.raises(KeyError):
        pipeline("tiny.mp4").run("publish")
