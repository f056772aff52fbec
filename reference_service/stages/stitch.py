"""Stage 6: the whole again as one MP4 that every browser plays: H.264, and the source's own audio.

The pictures are encoded in segments, each by an encoder of its own with the same parameters, so that a
segment depends on no other and is what a later attempt goes on behind. In the end their packets and those of
the sound are put together, each at its own time; nothing is encoded twice for that.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from reference_service.ports import InvalidMedia, StageInput, StageOutput
from reference_service.stages.artefacts import leave_part, read_part
from reference_service.stages.jpeg import Scaler
from reference_service.stages.source import Source, blame_source, open_source, sound_packets, video_frames

SEGMENT_FRAMES = 125  # a key frame each few seconds, which players want for seeking anyway

# One thread and no look-ahead: fast, little memory, and the same bytes each time.
_ENCODER = {
    "preset": "ultrafast",
    "crf": "26",
    "x264-params": "threads=1:rc-lookahead=0:sync-lookahead=0:log-level=none",
}


def run(given: StageInput) -> StageOutput:
    """Writes `stitched.mp4` with the source's duration, times and kinds of streams."""
    target = given.folder / "stitched.mp4"
    part = read_part(given) or {"frames": 0, "last_pts": None, "segments": []}
    with open_source(given.source) as source, _blamed(source):
        _encode(source, given, part)
    with open_source(given.source) as source, _blamed(source):
        segments = [given.folder / name for name in part["segments"]]
        _join(source, segments, target, given)
    for path in segments:
        path.unlink()
    facts = {"frames": part["frames"], "size_bytes": target.stat().st_size}
    return StageOutput(files=["stitched.mp4"], facts=facts)


@contextmanager
def _blamed(source: Source) -> Iterator[None]:
    """For its times or sizes, or its sound's codec."""
    with blame_source("cannot be written as an MP4", source.frame_px):
        yield


@contextmanager
def _written(path: Path, **options: Any) -> Iterator[Any]:
    output = av.open(str(path), "w", **options)
    try:
        yield output
    except BaseException:
        with suppress(av.FFmpegError):  # a second error would hide why the first one ended us
            output.close()
        raise
    output.close()


def _encode(source: Source, given: StageInput, part: dict[str, Any]) -> None:
    """Writes the segments that are not there yet, and their names into `part`."""
    items = video_frames(source, given.interrupt, bounded=given.bounded, behind_pts=part["last_pts"])
    pictures = _one_a_moment(items, part["last_pts"])
    scaler = Scaler()
    picture = next(pictures, None)
    while picture is not None:
        name = f"segment-{len(part['segments']):05d}.nut"
        with _written(given.folder / name, format="nut") as output:
            video = _video_stream(source, output)
            frames, last_pts = 0, None
            while picture is not None and frames < SEGMENT_FRAMES:
                frame = scaler.convert(picture, video.width, video.height, "yuv420p")
                frame.pts, frame.time_base = _time_of(source, given, picture, part["frames"] + frames)
                frame.pict_type = 0  # the encoder chooses its own key frames
                output.mux(video.encode(frame))
                frames, last_pts = frames + 1, picture.pts
                picture = next(pictures, None)
            output.mux(video.encode())
        # All at once: whoever is interrupted within a segment leaves the ones before it.
        part |= {"frames": part["frames"] + frames, "last_pts": last_pts}
        part["segments"].append(name)
        if picture is not None:  # else the stage itself is as good as done
            given.unit_done(part["frames"], leave_part(given, part["segments"], part))


def _time_of(source: Source, given: StageInput, picture: Any, number: int) -> tuple[int, Fraction]:
    """When a picture is shown: the source's own time for it, in the source's unit.

    `av_sync` off: the number of the picture over the nominal rate. A phone in the dark, or a screen that does
    not change, gives fewer pictures than that, and the film ends before its sound does.
    """
    unit: Fraction = picture.time_base
    rate = source.video.base_rate or source.video.average_rate
    if given.timed or not rate:
        return picture.pts, unit
    return round((source.video.start_time or 0) + number / rate / unit), unit


def _one_a_moment(pictures: Iterator[Any], last_pts: int | None) -> Iterator[Any]:
    """Two pictures for one moment: an MP4 holds one."""
    for picture in pictures:
        if last_pts is None or picture.pts > last_pts:
            last_pts = picture.pts
            yield picture


def _join(source: Source, segments: Sequence[Path], target: Path, given: StageInput) -> None:
    """Copies packets, those of the pictures and those of the sound in the order of their times."""
    with _written(target, format="mp4", options={"movflags": "+faststart"}) as output:
        with av.open(str(segments[0])) as first:
            video = output.add_stream_from_template(first.streams.video[0])
        video.time_base = source.video.time_base
        audio = None if source.audio is None else output.add_stream_from_template(source.audio)
        pictures = _packets_of(segments, video, given)
        sound = _retimed(sound_packets(source, given.interrupt), audio)
        heard = False
        for packet in heapq.merge(pictures, sound, key=lambda packet: packet.dts * packet.time_base):
            heard = heard or packet.stream is audio
            output.mux([packet])
    if audio is not None and not heard:
        raise InvalidMedia("its header claims sound, and there is none")


def _packets_of(segments: Sequence[Path], stream: Any, given: StageInput) -> Iterator[Any]:
    for path in segments:
        with av.open(str(path)) as segment:
            yield from _retimed(segment.demux(video=0), stream)
        given.interrupt()


def _retimed(packets: Iterator[Any], stream: Any) -> Iterator[Any]:
    for packet in packets:
        if packet.dts is not None:  # the last, empty one only flushes a decoder
            packet.stream = stream
            yield packet


def _video_stream(source: Source, output: Any) -> Any:
    context = source.video.codec_context
    video = output.add_stream("libx264", rate=source.video.average_rate, options=_ENCODER)
    video.width = max(2, context.width // 2 * 2)  # 4:2:0 wants even sizes
    video.height = max(2, context.height // 2 * 2)
    video.pix_fmt = "yuv420p"
    video.time_base = video.codec_context.time_base = source.video.time_base
    video.codec_context.thread_count = 1
    return video
