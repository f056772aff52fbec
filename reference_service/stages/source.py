"""Reads the source video with limits: streamed, one thread, and every decoding error is `InvalidMedia`."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.subtitles.stream  # else `av.open` loads it, perhaps where there is no memory left for it

from reference_service.ports import InvalidMedia
from reference_service.stages.boxes import PICTURE_PX_MAX, check_boxes, check_picture
from reference_service.stages.jpeg import Scaler

DURATION_S_MAX = 6 * 3600.0
TRACKS_MAX = 32

_OF_THE_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS, errno.EACCES, errno.ENOENT}
    | {errno.EMFILE, errno.ENFILE}
)

# What the stages need at most beyond an open file, measured on 1280x720: 16 reference pictures of decoder
# and encoder each, and their tables.
_ROOM_BYTES = 16 * 1024**2
_ROOM_BYTES_PER_PX = 64

# A hostile file may be a playlist that names other files and hosts: only MP4, and only this file.
# The pixel limit stops a stream whose own header claims more than its container did.
_OPTIONS = {"protocol_whitelist": "file", "enable_drefs": "0", "max_pixels": str(PICTURE_PX_MAX)}

av.logging.set_level(None)  # what is wrong with an input is said once, by `InvalidMedia`


@dataclass(frozen=True, slots=True)
class Source:
    """An open video. Valid inside `open_source` only."""

    container: Any
    video: Any
    audio: Any | None
    duration_s: float

    @property
    def frame_px(self) -> int:
        return int(self.video.codec_context.width * self.video.codec_context.height)

    def at_s(self, frame: Any) -> float:
        """When a video frame is shown, in seconds since the beginning of the pictures."""
        return float((frame.pts - (self.video.start_time or 0)) * self.video.time_base)


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Opens `path` and closes it after. Raises `InvalidMedia`; decodes at most what FFmpeg probes."""
    check_boxes(path)
    with blame_source("cannot be opened"):
        container = av.open(str(path), format="mov", options=_OPTIONS, metadata_errors="replace")
    try:
        yield _checked(container)
    finally:
        container.close()


def _checked(container: Any) -> Source:
    if len(container.streams) > TRACKS_MAX:
        raise InvalidMedia(f"{len(container.streams)} streams (most: {TRACKS_MAX})")
    if not container.streams.video:
        raise InvalidMedia("no video stream")
    video = container.streams.video[0]
    audio = container.streams.audio[0] if container.streams.audio else None
    for stream in (video, audio):
        if stream is None:
            continue
        if stream.codec_context is None:
            raise InvalidMedia(f"no decoder for its {stream.type}")
        stream.codec_context.thread_count = 1  # the process was forked, and cores are shared
        stream.codec_context.thread_type = "NONE"
    check_picture(video.codec_context.width, video.codec_context.height)
    video.codec_context.options = {"max_pixels": str(PICTURE_PX_MAX)}
    duration_s = (container.duration or 0) / av.time_base
    if not 0 < duration_s <= DURATION_S_MAX:
        raise InvalidMedia(f"duration of {duration_s:g} s (more than 0, at most {DURATION_S_MAX:g})")
    return Source(container, video, audio, duration_s)


def video_frames(
    source: Source, interrupt: Callable[[], None], *, bounded: bool, behind_pts: int | None = None
) -> Iterator[Any]:
    """Every video frame in order; `interrupt` is called before each. With `behind_pts`: those behind it.

    One frame is held at a time. With `bounded` off all are decoded to full RGB pictures first and kept
    until the last was used: the very thing that the defence `bounded_memory` prevents.
    """
    streamed = (
        _stream(source, [source.video], interrupt)
        if behind_pts is None
        else _behind(source, behind_pts, interrupt)
    )
    return _held(streamed, interrupt, bounded=bounded)


def _behind(source: Source, pts: int, interrupt: Callable[[], None]) -> Iterator[Any]:
    """The frames behind the one at `pts`, decoded from the last key frame before it.

    A file whose index names key frames that are none would give other pictures than a pass from the
    beginning. So the frame at `pts` must be met, sound, on the way; else that pass is made.
    """
    with blame_source("cannot be sought in", source.frame_px):
        source.container.seek(pts, stream=source.video, backward=True)
    met = False
    try:
        for frame in _stream(source, [source.video], interrupt):
            if not met and frame.pts > pts:
                break
            if frame.pts > pts:
                yield frame
            met = met or frame.pts == pts
        else:
            if met:
                return
    except InvalidMedia:
        if met:
            raise
    with blame_source("cannot be sought in", source.frame_px):
        source.container.seek(0, backward=True)
    yield from (frame for frame in _stream(source, [source.video], interrupt) if frame.pts > pts)


def sound_packets(source: Source, interrupt: Callable[[], None]) -> Iterator[Any]:
    """The packets of the sound, untouched, as the file has them; none when it has no sound."""
    return iter(()) if source.audio is None else _stream(source, [source.audio], interrupt)


def _held(streamed: Iterator[Any], interrupt: Callable[[], None], *, bounded: bool) -> Iterator[Any]:
    if bounded:
        yield from streamed
        return
    scaler = Scaler()
    held = [_full_rgb(item, scaler) for item in streamed]
    for item in held:
        interrupt()
        yield item


def _stream(source: Source, streams: list[Any], interrupt: Callable[[], None]) -> Iterator[Any]:
    packets = source.container.demux(streams)
    frames = 0
    while True:
        with blame_source(f"broken after {frames} frames", source.frame_px):
            packet = next(packets, None)
        if packet is None:
            break
        interrupt()
        if packet.is_corrupt:
            raise _blamed(f"its {packet.stream.type} is cut short after {frames} frames", source.frame_px)
        what = f"its {packet.stream.type} does not decode after {frames} frames"
        with blame_source(what, source.frame_px):
            decoded = packet.decode()  # sound too: what we hand on untouched must at least be whole
        if packet.stream is not source.video:
            if packet.dts is not None:  # the last, empty one only flushes the decoder
                yield packet
            continue
        for frame in decoded:
            if frame.is_corrupt or frame.pts is None:
                raise _blamed(f"frame {frames} is corrupt", source.frame_px)
            at_s = source.at_s(frame)
            if at_s > source.duration_s * 1.05 + 1:  # real files are a little off, hostile ones by years
                raise InvalidMedia(f"frame {frames} is at {at_s:g} s of {source.duration_s:g} s")
            interrupt()
            frames += 1
            yield frame
    if frames == 0 and source.video in streams:
        raise InvalidMedia("no frame could be decoded")


def _full_rgb(item: Any, scaler: Scaler) -> Any:
    if not isinstance(item, av.VideoFrame):
        return item
    return scaler.convert(item, item.width, item.height, "rgb24")


@contextmanager
def blame_source(what: str, frame_px: int = 0) -> Iterator[None]:
    """FFmpeg's errors within become `InvalidMedia`, except those of this machine: memory, disk, handles.

    A lack of memory often reaches us as "invalid data" or "generic error". So before the source is blamed,
    room for the work on pictures of `frame_px` is asked for, and `MemoryError` raised when there is none.
    """
    try:
        yield
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            raise
        text = getattr(error, "strerror", None) or str(error)
        raise _blamed(f"{what}: {text}", frame_px) from error


def _blamed(what: str, frame_px: int) -> InvalidMedia | MemoryError:
    """Who is to blame for what went wrong with a source: itself, or a lack of memory."""
    room_bytes = _ROOM_BYTES + frame_px * _ROOM_BYTES_PER_PX
    if _has_room(room_bytes):
        return InvalidMedia(what)
    return MemoryError(f"{what}: fewer than {room_bytes} bytes are free")


def _has_room(room_bytes: int) -> bool:
    try:
        mmap.mmap(-1, room_bytes).close()  # address space only: no page of it is touched
    except OSError:
        return False
    return True
