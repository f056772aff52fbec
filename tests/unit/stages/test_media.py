"""The videos that tests and scenarios use, and the look at what came out."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import pytest

from reference_service import media

SIZES = {"tiny.mp4": (1.0, 160, 120, 10), "short.mp4": (3.0, 320, 240, 15)}


def test_make_video_is_deterministic(tmp_path):
    """The same arguments give the same bytes."""
    for name in ("a.mp4", "b.mp4"):
        media.make_video(tmp_path / name, seconds=1, width=64, height=48, fps=10, seed=3)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_make_video_depends_on_its_seed(tmp_path):
    """Another seed gives another video."""
    for seed in (1, 2):
        media.make_video(tmp_path / f"{seed}.mp4", seconds=1, width=64, height=48, fps=10, seed=seed)
    assert (tmp_path / "1.mp4").read_bytes() != (tmp_path / "2.mp4").read_bytes()


@pytest.mark.parametrize("name", SIZES)
def test_valid_videos_are_what_they_say(videos, name):
    """The valid videos of the table decode wholly, with sound that ends with the pictures."""
    seconds, width, height, fps = SIZES[name]
    found = media.examine(videos(name))
    assert found["decodes"]
    assert found["problem"] is None
    assert found["duration_s"] == pytest.approx(seconds, abs=0.01)
    video, audio = found["streams"]
    assert (video["width"], video["height"], video["fps"]) == (width, height, fps)
    assert video["frames"] == seconds * fps
    assert audio["type"] == "audio"
    assert abs(found["audio_video_drift_s"]) < 0.065  # one frame of AAC at 16 kHz


@pytest.mark.parametrize("name", ["truncated.mp4", "empty.mp4", "not-a-video.mp4", "absurd-resolution.mp4"])
def test_examine_says_what_is_wrong_with_hostile_videos(videos, name):
    """A file that does not decode is described, not raised about."""
    found = media.examine(videos(name))
    assert not found["decodes"]
    assert found["problem"]


def test_examine_says_that_a_file_is_missing(tmp_path):
    """A missing output is a problem like any other."""
    assert media.examine(tmp_path / "none.mp4")["problem"] == "there is no such file"


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_examine_notices_damage_anywhere(videos, tmp_path, share):
    """Examination reads to the end: damage late in the file is found too."""
    content = videos("short.mp4").read_bytes()
    at = int(len(content) * share)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content[:at] + b"\xff" * 600 + content[at + 600 :])
    found = media.examine(path)
    assert not found["decodes"]
    assert found["problem"]


def test_examine_measures_drift(videos, tmp_path):
    """Sound that runs at half its speed ends a second after one second of pictures."""
    content = videos("tiny.mp4").read_bytes()
    at = content.index(b"mdhd", content.index(b"mdhd") + 1) + 4 + 12  # the timescale of the second track
    assert struct.unpack(">I", content[at : at + 4]) == (media.AUDIO_RATE_HZ,)
    slowed = content[:at] + struct.pack(">I", media.AUDIO_RATE_HZ // 2) + content[at + 4 :]
    path = tmp_path / "drifting.mp4"
    path.write_bytes(slowed.replace(b"edts", b"free"))  # an edit list would cut the rest off
    assert media.examine(path)["audio_video_drift_s"] > 0.8


def found(shown_s: list[float], drift_s: float | None) -> dict[str, object]:
    """As much of what `examine` finds as tells whether sound and pictures are in step."""
    return {"shown_s": shown_s, "audio_video_drift_s": drift_s}


def test_the_sound_is_compared_picture_by_picture():
    """Both end alike, and a picture in the middle is shown a quarter of a second too soon."""
    source, result = found([0.0, 0.5, 1.0], 0.0), found([0.0, 0.25, 1.0], 0.0)
    assert media.sound_behind_s(result, source) == 0.25
    assert media.sound_behind_s(source, result) == -0.25


def test_the_sound_is_compared_at_the_end_where_pictures_are_missing():
    """With another number of pictures there is only their end to compare."""
    assert media.sound_behind_s(found([0.0], 0.5), found([0.0, 0.5], 0.125)) == 0.375


def test_without_sound_nothing_is_out_of_step():
    """A source or a result without sound has none that could come late."""
    assert media.sound_behind_s(found([0.0], None), found([0.0], 0.0)) is None
    assert media.sound_behind_s(found([0.0], 0.0), found([0.0], None)) is None


def test_make_makes_each_video_once(tmp_path):
    """A video that is there is not made again, and nothing else is left in the folder."""
    first = media.make("tiny.mp4", tmp_path / "videos")
    before = first.stat().st_mtime_ns
    assert media.make("tiny.mp4", tmp_path / "videos") == first
    assert first.stat().st_mtime_ns == before
    assert list(first.parent.iterdir()) == [first]


def test_make_is_safe_side_by_side(tmp_path):
    """Several makers of one video in one folder end with one whole file."""
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: media.make("tiny.mp4", tmp_path), range(8)))
    (path,) = paths
    assert media.examine(path)["decodes"]
    assert list(tmp_path.iterdir()) == [path]


def test_make_leaves_nothing_when_it_fails(tmp_path, monkeypatch):
    """A maker that fails leaves no half of a video, neither under its name nor beside it."""

    def fail(path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(media, "VIDEOS", {"half.mp4": fail})
    with pytest.raises(OSError, match="disk full"):
        media.make("half.mp4", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_make_refuses_an_unknown_name(tmp_path):
    """A name that the table does not have is refused, and nothing is made."""
    with pytest.raises(KeyError):
        media.make("huge.mp4", tmp_path / "videos")
    assert not (tmp_path / "videos").exists()


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="threads are counted in /proc, which Linux has"
)
def test_imports_start_no_thread():
    """Workers fork after these imports: none of them may start a thread, as numerical libraries do."""
    code = "import reference_service.media, reference_service.vision, sys; print('numpy' in sys.modules)"
    root = Path(media.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code + "; import os; print(len(os.listdir('/proc/self/task')))"],
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "1"]


def without(source, target, *, gone=range(0), later_s=0.0):
    """Writes `source` again: some pictures gone, all of them later, and its sound untouched."""
    with av.open(str(source)) as whole, av.open(str(target), "w", format="mp4") as output:
        pictures: Any = output.add_stream("libx264", rate=20)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 120, "yuv420p"
        pictures.time_base = pictures.codec_context.time_base = whole.streams.video[0].time_base
        sound = output.add_stream_from_template(whole.streams.audio[0])
        frames: Any = whole.decode(video=0)
        for number, frame in enumerate(frames):
            if number not in gone:
                frame.pict_type = 0
                frame.pts += int(later_s / frame.time_base)
                output.mux(pictures.encode(frame))
        output.mux(pictures.encode())
        whole.seek(0)
        for packet in whole.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                output.mux(packet)


def test_pictures_that_are_missing_are_seen(tmp_path):
    """A gap in the middle leaves the duration, the streams and the end of the sound as they were."""
    whole, gap = tmp_path / "whole.mp4", tmp_path / "gap.mp4"
    media.make_video(whole, seconds=4, width=160, height=120, fps=20)
    without(whole, gap, gone=range(20, 40))
    before, after = media.examine(whole), media.examine(gap)
    assert after["decodes"]
    assert after["duration_s"] == pytest.approx(before["duration_s"], abs=0.1)
    assert (media.pictures(before), media.pictures(after)) == (80, 60)


def test_two_pictures_for_one_moment_are_one():
    """As an MP4 shows them."""
    assert media.pictures(found([0.0, 0.0, 0.5, 0.25, 1.0], None)) == 3
    assert media.sound_behind_s(found([0.0, 0.5], 0.0), found([0.0, 0.0, 0.5], 0.0)) == 0.0


def test_sound_before_the_first_picture_is_heard(tmp_path, pipeline):
    """A source whose pictures begin later than its sound: what is stitched of it is in step."""
    whole, late = tmp_path / "whole.mp4", tmp_path / "late.mp4"
    media.make_video(whole, seconds=1, width=160, height=120, fps=20)
    without(whole, late, later_s=0.3)
    work = pipeline(late)
    work.run("stitch")
    before, after = media.examine(late), media.examine(work.folder / "stitch" / "stitched.mp4")
    assert before["streams"][1]["start_s"] == 0.0
    assert media.sound_behind_s(after, before) == pytest.approx(0.0, abs=0.001)
