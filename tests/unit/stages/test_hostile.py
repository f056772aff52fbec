"""Hostile and broken input: each ends `InvalidMedia`, within limits of time and memory."""

from __future__ import annotations

import errno
import itertools
import random
import struct
from pathlib import Path

import av
import pytest

from reference_service import media
from reference_service.ports import HandBack, InvalidMedia
from reference_service.stages.boxes import check_boxes

MIB = 1024**2
ROOM_BYTES = 160 * MIB  # of address space beyond what the process has
GROWTH_BYTES_MAX = 64 * MIB
CPU_S_MAX = 1.0
LONG = [pytest.mark.soak, pytest.mark.timeout(600)]


def assert_refused_cheaply(answer, text):
    assert answer["error"] == "InvalidMedia", answer
    assert text in answer["text"]
    assert "\n" not in answer["text"]
    assert answer["peak_growth_bytes"] < GROWTH_BYTES_MAX
    assert answer["cpu_s"] < CPU_S_MAX


def table(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def patched(content: bytes, kind: bytes, offset: int, new: bytes, *, nth: int = 0) -> bytes:
    """`content` with bytes replaced at `offset` into the body of the nth box of this kind."""
    at = -1
    for _ in range(nth + 1):
        at = content.index(kind, at + 1)
    start = at + 4 + offset
    return content[:start] + new + content[start + len(new) :]


@pytest.fixture(scope="session")
def tiny(videos) -> bytes:
    content: bytes = videos("tiny.mp4").read_bytes()
    return content


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("truncated.mp4", "truncated: box 'mdat'"),
        ("empty.mp4", "the file is empty"),
        ("not-a-video.mp4", "not an MP4"),
        ("absurd-resolution.mp4", "absurd resolution: the header claims 30000x30000"),
    ],
)
def test_hostile_videos_of_the_table_are_refused(videos, limited, name, text):
    """Each hostile video is refused by `inspect`, which says what is wrong with it."""
    assert_refused_cheaply(limited(videos(name), "inspect", room_bytes=ROOM_BYTES), text)


HOSTILE_HEADERS = {
    "samples of one size": (b"stsz", 4, struct.pack(">II", 1, 170_000_000), 0, "170000000 samples"),
    "samples with sizes": (b"stsz", 8, struct.pack(">I", 3_000_000), 0, "broken box 'stsz'"),
    "sample entries": (b"stsd", 4, struct.pack(">I", 0xFF000001), 1, "broken box 'stsd'"),
    "a sample entry's size": (b"stsd", 8, struct.pack(">I", 0xFF00006E), 1, "truncated: box 'mp4a'"),
    "one sample's size": (
        b"stsz",
        12 + 4 * 3,
        struct.pack(">I", 0xFF000189),
        0,
        "a sample of 4278190473 bytes",
    ),
    "chunks": (b"stco", 4, struct.pack(">I", 0x3FFFFFFF), 0, "broken box 'stco'"),
    "chunk runs": (b"stsc", 4, struct.pack(">I", 0x0FFFFFFF), 0, "broken box 'stsc'"),
    "edits": (b"elst", 4, struct.pack(">I", 65), 0, "edit list of 65 entries"),
    "track side": (b"tkhd", 76, struct.pack(">I", 8193 << 16), 0, "absurd resolution"),
    "entry area": (b"stsd", 8 + 8 + 24, struct.pack(">HH", 8000, 8000), 0, "absurd resolution"),
    "box beyond the end": (b"mdat", -8, struct.pack(">I", 0x7FFFFFFF), 0, "truncated: box 'mdat'"),
    "box without length": (b"mdia", -8, struct.pack(">I", 3), 0, "broken box at byte"),
    "no moov": (b"moov", -4, b"free", 0, "no `moov` box"),
    "compressed header": (b"mvhd", -4, b"cmov", 0, "compressed header"),
    "no video": (b"vide", -4, b"soun", 0, "no video stream"),
}


@pytest.mark.parametrize("claim", HOSTILE_HEADERS)
def test_headers_that_claim_too_much_are_refused(tiny, limited, tmp_path, claim):
    """A small file whose header claims gigabytes is refused before anything is allocated for it."""
    kind, offset, new, nth, text = HOSTILE_HEADERS[claim]
    path = tmp_path / "hostile.mp4"
    path.write_bytes(patched(tiny, kind, offset, new, nth=nth))
    assert_refused_cheaply(limited(path, "inspect", room_bytes=ROOM_BYTES), text)


@pytest.mark.parametrize(
    ("frame_units", "duration_units", "text"),
    [(0, 0, "duration of 0 s"), (0x7FFFFFFF, 0x7FFFFFFF, "duration of ")],
)
def test_absent_or_absurd_duration_is_refused(tiny, limited, tmp_path, frame_units, duration_units, text):
    """A video that claims to last no time, or days, is refused. The sound is hidden: its time would count."""
    content = patched(tiny, b"trak", -4, b"free", nth=1)
    content = patched(content, b"stts", 8, struct.pack(">II", 10, frame_units))
    for kind, offset in ((b"mdhd", 16), (b"elst", 8)):
        content = patched(content, kind, offset, struct.pack(">I", duration_units))
    path = tmp_path / "hostile.mp4"
    path.write_bytes(content)
    assert_refused_cheaply(limited(path, "inspect", room_bytes=ROOM_BYTES), text)


def test_frames_far_beyond_the_duration_are_refused(tiny, limited, tmp_path):
    """Pictures that the file shows years after its own end are refused, and nothing so long is published."""
    content = patched(tiny, b"edts", -4, b"free")  # an edit list would trim them
    path = tmp_path / "hostile.mp4"
    path.write_bytes(patched(content, b"stts", 8, struct.pack(">II", 10, 0x7FFFFFFF)))
    assert_refused_cheaply(limited(path, "stitch", room_bytes=ROOM_BYTES), "frame 1 is at 209715 s of 1 s")


def test_many_samples_in_a_fragment_are_refused(tiny, limited, tmp_path):
    """A fragment's run of samples is counted like a track's, though no entry follows its count."""
    run = table(b"trun", struct.pack(">II", 0, 170_000_000))
    path = tmp_path / "fragment.mp4"
    path.write_bytes(tiny + table(b"moof", table(b"traf", run)))
    assert_refused_cheaply(limited(path, "inspect", room_bytes=ROOM_BYTES), "samples")


def test_deep_nesting_is_refused(tiny, limited, tmp_path):
    """Boxes within boxes are followed to a bounded depth."""
    nested = b""
    for _ in range(2000):
        nested = table(b"udta", nested)
    path = tmp_path / "deep.mp4"
    path.write_bytes(tiny + table(b"moov", nested))
    assert_refused_cheaply(limited(path, "inspect", room_bytes=ROOM_BYTES), "nested deeper")


def test_countless_boxes_are_refused(limited, tmp_path):
    """Reading boxes ends after a bounded number of them."""
    path = tmp_path / "many.mp4"
    path.write_bytes(table(b"ftyp", b"isom") + table(b"free", b"") * 1_000_000)
    assert_refused_cheaply(limited(path, "inspect", room_bytes=ROOM_BYTES), "more than 100000 boxes")


def test_huge_header_is_refused(limited, tmp_path):
    """A header larger than any honest one is refused unread; the file is sparse, and so is the test."""
    path = tmp_path / "header.mp4"
    with path.open("wb") as file:
        file.write(table(b"ftyp", b"isom") + struct.pack(">I4s", 65 * MIB, b"moov"))
        file.truncate(66 * MIB)
    assert_refused_cheaply(limited(path, "inspect", room_bytes=ROOM_BYTES), "header of")


def test_resolution_hidden_in_the_stream_is_refused(limited, tmp_path):
    """Pictures that are far larger than their container says are not even allocated."""
    path = tmp_path / "hidden.mp4"
    media.make_video(path, seconds=1, width=8192, height=4608, fps=1, audio=False)
    content = patched(path.read_bytes(), b"tkhd", 76, struct.pack(">II", 160 << 16, 120 << 16))
    path.write_bytes(patched(content, b"stsd", 8 + 8 + 24, struct.pack(">HH", 160, 120)))
    assert_refused_cheaply(limited(path, "inspect", room_bytes=ROOM_BYTES), "")


def test_playlist_that_names_other_files_is_refused(limited, tmp_path, tiny):
    """Only MP4 is read: a playlist or a list of files cannot make us open what it names."""
    (tmp_path / "other.mp4").write_bytes(tiny)
    path = tmp_path / "list.mp4"
    path.write_text("ffconcat version 1.0\nfile other.mp4\n", encoding="ascii")
    assert_refused_cheaply(limited(path, "inspect", room_bytes=ROOM_BYTES), "not an MP4")


@pytest.mark.parametrize("share", [0.01, 0.1, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["tiny.mp4", "short.mp4"])
def test_truncation_is_noticed_wherever_it_is(videos, tmp_path, name, share):
    """A file cut anywhere is refused from its boxes alone."""
    content = videos(name).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InvalidMedia):
        check_boxes(path)


def test_video_broken_midway_is_refused_by_frames(pipeline, tmp_path, tiny):
    """What is whole at its beginning passes `inspect`, and is refused where it no longer decodes."""
    path = tmp_path / "midway.mp4"
    path.write_bytes(_overwritten(path, tiny, stream_type="video", frame=6))
    work = pipeline(path)
    work.run("inspect")
    with pytest.raises(InvalidMedia, match=r"corrupt|does not decode"):
        work.run("frames")


def test_picture_that_ffmpeg_would_conceal_is_refused(pipeline, tmp_path, tiny):
    """A picture of which only the end is damaged decodes to something: it is refused all the same."""
    path = tmp_path / "concealed.mp4"
    path.write_bytes(_overwritten(path, tiny, stream_type="video", frame=6, keep=8))
    work = pipeline(path)
    with pytest.raises(InvalidMedia, match="frame 6 is corrupt"):
        work.run("frames")


def test_packet_beyond_the_end_of_the_file_is_refused(pipeline, tmp_path, tiny):
    """A last sample that claims more bytes than the file has left is refused, not taken for shorter."""
    path = tmp_path / "beyond.mp4"
    sizes = 12 + 4 * 9  # the tenth of the first track
    path.write_bytes(patched(tiny, b"stsz", sizes, struct.pack(">I", len(tiny))))
    with pytest.raises(InvalidMedia, match="its video is cut short after 9 frames"):
        pipeline(path).run("frames")


def test_sound_that_is_not_there_is_refused_by_stitch(pipeline, tmp_path, tiny):
    """A sound track without sound is refused: what is published has all that the source claims."""
    path = tmp_path / "silent.mp4"
    path.write_bytes(patched(tiny, b"stsz", 8, bytes(4), nth=1))
    with pytest.raises(InvalidMedia, match="claims sound"):
        pipeline(path).run("stitch")


def test_times_that_no_mp4_can_hold_are_refused_by_stitch(pipeline, tmp_path, tiny):
    """Pictures days apart, which their edit list trims to one, cannot be written and are refused."""
    path = tmp_path / "days.mp4"
    path.write_bytes(patched(tiny, b"stts", 12, b"\xff"))
    with pytest.raises(InvalidMedia, match="cannot be written as an MP4"):
        pipeline(path).run("stitch")


def test_hand_back_is_not_hidden_by_an_output_that_cannot_be_closed(pipeline, tmp_path, tiny):
    """When the worker was asked to stop, `HandBack` reaches it though closing the output fails too."""
    path = tmp_path / "unclosable.mp4"
    path.write_bytes(patched(tiny, b"stts", 20, b"\xff", nth=1))
    work = pipeline(path)
    calls = itertools.count(1)
    work.interrupt = lambda: next(calls)
    with pytest.raises(InvalidMedia, match="cannot be written as an MP4"):
        work.run("stitch")
    countdown = iter(range(next(calls) - 1, 0, -1))

    def stop() -> None:
        if next(countdown) == 1:
            raise HandBack

    work.interrupt = stop
    (work.folder / "stitch").rename(tmp_path / "first")
    with pytest.raises(HandBack):
        work.run("stitch")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is Linux's /dev/full")
def test_full_disk_is_not_blamed_on_the_video(pipeline):
    """A full disk ends `stitch` with `OSError`, which the worker may try again."""
    with pytest.raises(OSError, match="No space left") as caught:
        pipeline("tiny.mp4").run_into_full_disk("stitch", "stitched.mp4")
    assert caught.value.errno == errno.ENOSPC


def test_sound_without_a_decoder_is_refused_by_inspect(pipeline, tmp_path, tiny):
    """Sound that we cannot decode is refused at once, not after the work of five stages."""
    path = tmp_path / "strange.mp4"
    path.write_bytes(tiny.replace(b"mp4a", b"zzzz").replace(b"esds", b"free"))
    with pytest.raises(InvalidMedia, match="no decoder for its audio"):
        pipeline(path).run("inspect")


def test_sound_broken_midway_is_refused_by_stitch(pipeline, tmp_path, tiny):
    """Sound is copied, and decoded in passing: what does not decode is never published."""
    path = tmp_path / "midway.mp4"
    path.write_bytes(_overwritten(path, tiny, stream_type="audio", frame=6))
    work = pipeline(path)
    work.run("inspect", "frames")
    with pytest.raises(InvalidMedia, match="its audio does not decode"):
        work.run("stitch")


def test_ffmpeg_writes_nothing_to_our_streams(pipeline, tmp_path, tiny, capfd):
    """FFmpeg's own complaints are not logged: `InvalidMedia` says once what is wrong."""
    path = tmp_path / "midway.mp4"
    path.write_bytes(_overwritten(path, tiny, stream_type="video", frame=6))
    work = pipeline(path)
    with pytest.raises(InvalidMedia):
        work.run("stitch")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 600), marks=LONG)], ids=["few", "many"])
def test_any_bytes_end_well_or_as_invalid_media(limited, tmp_path, tiny, seeds):
    """Whatever single bytes are changed, the stages end, within limits, by success or `InvalidMedia`."""
    seen = set()
    for seed in seeds:
        choose = random.Random(seed)
        content = bytearray(tiny)
        for _ in range(choose.choice([1, 3, 20])):
            content[choose.randrange(8, 2600)] = choose.choice([0, 255, choose.randrange(256)])
        path = tmp_path / "fuzzed.mp4"
        path.write_bytes(content)
        answer = limited(path, room_bytes=ROOM_BYTES, cpu_s=2)
        assert answer["error"] in {None, "InvalidMedia"}, (seed, answer)
        assert answer["peak_growth_bytes"] < GROWTH_BYTES_MAX, (seed, answer)
        seen.add(answer["error"])
    assert seen == {None, "InvalidMedia"}


def _overwritten(path, content: bytes, *, stream_type: str, frame: int, keep: int = 5) -> bytes:
    """`content` with one packet replaced by ones, but for its first bytes."""
    path.write_bytes(content)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux() if p.stream.type == stream_type and p.size]
        at, size = packets[frame].pos, packets[frame].size
    assert at is not None
    return content[: at + keep] + b"\xff" * (size - keep) + content[at + size :]
