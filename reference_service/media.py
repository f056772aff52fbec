"""Videos to test with, all made here, and a look at what came out.

Nothing in the service itself uses this; those who drive it (harness, tests, demonstrations) do.
"""

from __future__ import annotations

import math
import os
import struct
import tempfile
from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import av

from reference_service.ports import InvalidMedia
from reference_service.stages.jpeg import Scaler
from reference_service.stages.source import open_source

AUDIO_RATE_HZ = 16_000
_ENCODER = {
    "preset": "ultrafast",
    "tune": "fastdecode",
    "x264-params": "threads=1:rc-lookahead=0:sync-lookahead=0:log-level=none",
}


def make_video(
    path: Path,
    *,
    seconds: float,
    width: int,
    height: int,
    fps: int,
    audio: bool = True,
    seed: int = 0,
    scenes: int = 2,
    codec: str = "libx264",
    steady: bool = True,
) -> None:
    """Writes a real MP4: `scenes` of equal length with hard cuts between, something moving in each.

    `steady` False: in its second half each other picture is missing, as when a phone records in the dark.

    The same arguments give the same bytes with the same FFmpeg libraries. `width` and `height` are even.
    """
    frames = round(seconds * fps)
    scaler = Scaler()
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        options = _ENCODER if codec == "libx264" else {}
        video: Any = output.add_stream(codec, rate=fps, options=options)
        video.width, video.height = width, height
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        video.codec_context.thread_count = 1
        sound: Any = output.add_stream("aac", rate=AUDIO_RATE_HZ, layout="mono") if audio else None
        for number in range(frames):
            if not steady and number > frames // 2 and number % 2 == 0:
                continue
            scene = number * scenes // frames
            frame = _picture(width, height, scene=scene, moved=number, seed=seed)
            frame.pts = number
            output.mux(video.encode(scaler.convert(frame, width, height, video.pix_fmt)))
        output.mux(video.encode())
        if sound is not None:
            _add_tone(output, sound, seconds, seed)


def _picture(width: int, height: int, *, scene: int, moved: int, seed: int) -> Any:
    """A plain colour of the scene's own, with a bright square that moves to the right."""
    frame = av.VideoFrame(width, height, "yuv420p")
    luma, *colours = frame.planes
    plain = bytes([40 + (scene + seed) % 3 * 70]) * luma.line_size
    side = max(2, height // 5)
    left = (moved * 4 + seed * 13) % max(1, width - side)
    square = plain[:left] + b"\xeb" * side + plain[left + side :]
    luma.update(plain * side + square * side + plain * (height - 2 * side))
    for plane, step in zip(colours, (37 + seed, 53 + seed), strict=True):
        plane.update(bytes([90 + scene * step % 80]) * plane.buffer_size)
    return frame


def _add_tone(output: Any, sound: Any, seconds: float, seed: int) -> None:
    samples = round(seconds * AUDIO_RATE_HZ)
    turn = 2 * math.pi * (220 + 20 * (seed % 20)) / AUDIO_RATE_HZ
    wave = array("h", (round(8000 * math.sin(turn * at)) for at in range(samples))).tobytes()
    frame: Any = av.AudioFrame("s16", "mono", samples)
    (plane,) = frame.planes
    plane.update(wave.ljust(plane.buffer_size, b"\0"))
    frame.sample_rate, frame.pts = AUDIO_RATE_HZ, 0
    output.mux(sound.encode(frame))
    output.mux(sound.encode())


def _make_truncated(path: Path) -> None:
    """The header is whole and comes first; the last third of the pictures is missing."""
    make_video(path, seconds=2, width=160, height=120, fps=10)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])


def _make_not_a_video(path: Path) -> None:
    path.write_text("This is a letter, not a video.\n" * 200, encoding="utf-8")


def _make_absurd(path: Path, width: int = 30_000, height: int = 30_000) -> None:
    """A video of 160x120 whose track, sample entry and pictures all claim to be far larger."""
    make_video(path, seconds=1, width=160, height=120, fps=10, codec="mjpeg")
    content = path.read_bytes()
    for old, new in (
        (struct.pack(">II", 160 << 16, 120 << 16), struct.pack(">II", width << 16, height << 16)),  # tkhd
        (struct.pack(">HHI", 160, 120, 72 << 16), struct.pack(">HHI", width, height, 72 << 16)),  # stsd
        (b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 120, 160), _jpeg_size(width, height)),  # each picture
    ):
        assert old in content, f"{path}: the field {old!r} to patch is not there"
        content = content.replace(old, new)
    path.write_bytes(content)


def _jpeg_size(width: int, height: int) -> bytes:
    return b"\xff\xc0\0\x11\x08" + struct.pack(">HH", height, width)


VIDEOS: Mapping[str, Callable[[Path], object]] = {
    "tiny.mp4": partial(make_video, seconds=1, width=160, height=120, fps=10),
    "short.mp4": partial(make_video, seconds=3, width=320, height=240, fps=15, scenes=3, seed=1),
    "unsteady.mp4": partial(make_video, seconds=4, width=160, height=120, fps=20, steady=False),
    # As long as what people make films of: 240 pictures are sampled of it.
    "minute.mp4": partial(make_video, seconds=60, width=320, height=240, fps=12, scenes=6, seed=3),
    # 300 frames are 829 MB as full RGB arrays; streamed, and still for long, they cost little.
    "large.mp4": partial(make_video, seconds=5, width=1280, height=720, fps=60, seed=2),
    "truncated.mp4": _make_truncated,
    "empty.mp4": Path.touch,
    "not-a-video.mp4": _make_not_a_video,
    "absurd-resolution.mp4": _make_absurd,
}


def make(name: str, folder: Path) -> Path:
    """The video `name` in `folder`, made now unless it is there. Safe to call side by side.

    Raises `KeyError` when `VIDEOS` has no such name.
    """
    path = folder / name
    if path.exists():
        return path
    maker = VIDEOS[name]
    folder.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)
    os.close(handle)
    try:
        maker(Path(unfinished))
        Path(unfinished).replace(path)  # one of several makers comes last; all made the same bytes
    finally:
        with suppress(FileNotFoundError):
            Path(unfinished).unlink()
    return path


def examine(path: Path) -> dict[str, Any]:
    """Decodes all of a video, one frame at a time, and says what is in it. Never raises for its content.

    `decodes`: every frame of every stream. `problem`: what is wrong, or None. `duration_s`: by the
    container. `streams`: type, codec, frames, start_s and end_s (as decoded) of each, and its size or rate.
    `audio_video_drift_s`: how much later the sound ends than the picture, negative: earlier; None when one
    of them is missing. `shown_s`: when each picture is shown, counted from the begin of the sound, or without
    sound from 0.
    """
    found: dict[str, Any] = {
        "decodes": False,
        "duration_s": None,
        "streams": [],
        "problem": None,
        "audio_video_drift_s": None,
        "shown_s": [],
    }
    try:
        with open_source(path) as source:
            found["duration_s"] = source.duration_s
            times: list[float] = []
            spans = [_decode(source.container, source.video, times)]
        with open_source(path) as source:  # anew: a seek to the first picture may skip sound before it
            if source.audio is not None:
                spans.append(_decode(source.container, source.audio, times))
    except FileNotFoundError:
        found["problem"] = "there is no such file"
        return found
    except (InvalidMedia, av.FFmpegError, ValueError) as error:
        found["problem"] = str(error)
        return found
    found["streams"] = spans
    found["decodes"] = True
    if len(spans) == 2:
        found["audio_video_drift_s"] = round(spans[1]["end_s"] - spans[0]["end_s"], 6)
    sound_s = spans[1]["start_s"] if len(spans) == 2 else 0.0
    found["shown_s"] = [round(at_s - sound_s, 6) for at_s in times]
    return found


def sound_behind_s(found: Mapping[str, Any], source: Mapping[str, Any]) -> float | None:
    """By how much the sound comes later than the source has it, where that is most; negative: earlier.

    Both as `examine` found them, and compared picture by picture; by their ends alone when there are not
    as many (`pictures`). None when one of them has no sound.
    """
    now_s, was_s = found["audio_video_drift_s"], source["audio_video_drift_s"]
    if now_s is None or was_s is None:
        return None
    shifts: list[float] = [now_s - was_s]
    shown, before = _moments(found), _moments(source)
    if len(shown) == len(before):
        # A picture that is shown sooner meets a sound that comes later.
        shifts += [was - now for now, was in zip(shown, before, strict=True)]
    worst: float = max(shifts, key=abs)
    return round(worst, 6)


def pictures(found: Mapping[str, Any]) -> int:
    """How many pictures a video shows, as `examine` found it; of two for one moment, as no MP4 has, one."""
    return len(_moments(found))


def _moments(found: Mapping[str, Any]) -> list[float]:
    moments: list[float] = []
    for at_s in found["shown_s"]:
        if not moments or at_s > moments[-1]:
            moments.append(at_s)
    return moments


def _decode(container: Any, stream: Any, times: list[float]) -> dict[str, Any]:
    """Reads one stream to its end; the times of pictures go into `times`."""
    frames = 0
    start_s = end_s = 0.0
    for frame in container.decode(stream):
        if frame.is_corrupt or frame.pts is None:
            raise InvalidMedia(f"{stream.type} frame {frames} is corrupt")
        at_s = float(frame.pts * frame.time_base)
        start_s = at_s if frames == 0 else start_s
        end_s = max(end_s, at_s + _length_s(stream, frame))
        if stream.type == "video":
            times.append(at_s)
        frames += 1
    if frames == 0:
        raise InvalidMedia(f"no {stream.type} frame could be decoded")
    about: dict[str, Any] = {"type": stream.type, "codec": stream.codec_context.name, "frames": frames}
    if stream.type == "video":
        about |= {"width": stream.codec_context.width, "height": stream.codec_context.height}
        about["fps"] = round(float(stream.average_rate or 0), 3)
    else:
        about |= {"rate_hz": stream.codec_context.sample_rate, "channels": stream.codec_context.channels}
    return about | {"start_s": round(start_s, 6), "end_s": round(end_s, 6)}


def _length_s(stream: Any, frame: Any) -> float:
    if stream.type == "audio":
        return float(frame.samples / frame.sample_rate)
    rate = stream.average_rate
    return float(1 / rate) if rate else 0.0
