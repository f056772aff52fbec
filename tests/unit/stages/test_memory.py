"""Peak memory of the stages: flat in the length of a video, unless the defence is off."""

from __future__ import annotations

import pytest

from reference_service import media

MIB = 1024**2
FRAME_BYTES = 640 * 360 * 3


@pytest.fixture(scope="module")
def lengths(tmp_path_factory):
    """The same pictures for one second, for eight, and for thirty-two."""
    folder = tmp_path_factory.mktemp("lengths")
    paths = {}
    for seconds in (1, 8, 32):
        paths[seconds] = folder / f"{seconds}s.mp4"
        media.make_video(paths[seconds], seconds=seconds, width=640, height=360, fps=20)
    return paths


@pytest.mark.parametrize("stage", ["inspect", "frames", "stitch"])
def test_bounded_peak_is_flat_in_length(lengths, limited, stage):
    """Four times the length takes next to nothing more: less than a fiftieth of its pictures.

    Both have several segments, so that both open one encoder behind another. Stitch takes 2 to 3 MiB more, of
    the 316 MiB that the pictures of 24 s are.
    """
    short = limited(lengths[8], stage)
    long = limited(lengths[32], stage)
    assert short["error"] is long["error"] is None
    assert long["peak_growth_bytes"] - short["peak_growth_bytes"] < 24 * 20 * FRAME_BYTES / 50


@pytest.mark.parametrize("stage", ["frames", "stitch"])
def test_unbounded_peak_holds_every_frame(lengths, limited, stage):
    """With `bounded_memory` off, the peak grows by every frame of the video as a full RGB array."""
    short = limited(lengths[1], stage, bounded=False)
    long = limited(lengths[8], stage, bounded=False)
    assert short["error"] is long["error"] is None
    assert long["peak_growth_bytes"] - short["peak_growth_bytes"] > 0.9 * 7 * 20 * FRAME_BYTES


def test_large_video_succeeds_far_below_the_limit(videos, limited):
    """All stages of `large.mp4` together stay below a quarter of 512 MiB, in one thread."""
    answer = limited(videos("large.mp4"), cpu_s=20)
    assert answer["error"] is None
    assert answer["peak_bytes"] < 128 * MIB
    assert answer["threads"] == 1


def test_large_video_fails_at_the_limit_without_the_defence(videos, limited):
    """With `bounded_memory` off, `large.mp4` runs into a limit of 512 MiB, and says that it was memory."""
    answer = limited(videos("large.mp4"), "frames", bounded=False, room_bytes=512 * MIB, cpu_s=20)
    assert answer["error"] == "MemoryError"


@pytest.mark.parametrize("room_bytes", [room * MIB // 4 for room in (4, 8, 12, 16, 24, 48, 96, 128)])
@pytest.mark.parametrize("stage", ["inspect", "stitch"])
def test_lack_of_memory_is_not_blamed_on_the_video(videos, limited, stage, room_bytes):
    """However little memory there is, a good video succeeds or ends `MemoryError`, never `InvalidMedia`."""
    answer = limited(videos("large.mp4"), stage, room_bytes=room_bytes, cpu_s=20)
    assert answer["error"] in {None, "MemoryError"}, answer
