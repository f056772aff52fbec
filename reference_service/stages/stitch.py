"""Stage 6: the whole again as one MP4 that every browser plays: H.264, and the source's own audio."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import av

from reference_service.ports import InvalidMedia, StageInput, StageOutput
from reference_service.stages.jpeg import Scaler
from reference_service.stages.source import Source, blame_source, frames_and_sound, open_source

# One thread and no look-ahead: fast, little memory, and the same bytes each time.
_ENCODER = {
    "preset": "ultrafast",
    "crf": "26",
    "x264-params": "threads=1:rc-lookahead=0:sync-lookahead=0:log-level=none",
}


def run(given: StageInput) -> StageOutput:
    """Writes `stitched.mp4` with the source's duration, times and kinds of streams."""
    target = given.folder / "stitched.mp4"
    with open_source(given.source) as source:
        output = av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"})
        with blame_source(
            "cannot be written as an MP4", source.frame_px
        ):  # its times or sizes, or its sound's codec
            try:
                frames = _copy(source, output, given)
            except BaseException:
                with suppress(av.FFmpegError):  # a second error would hide why the first one ended us
                    output.close()
                raise
            output.close()
    return StageOutput(files=["stitched.mp4"], facts={"frames": frames, "size_bytes": target.stat().st_size})


def _copy(source: Source, output: Any, given: StageInput) -> int:
    """Encodes the pictures anew and copies the sound packet by packet, each at its own time."""
    video = _video_stream(source, output)
    audio = _audio_stream(source, output)
    scaler = Scaler()
    frames = sounds = 0
    last_pts = None
    for item in frames_and_sound(source, given.interrupt, bounded=given.bounded):
        if isinstance(item, av.VideoFrame):
            if last_pts is not None and item.pts is not None and item.pts <= last_pts:
                continue  # two pictures for one moment: an MP4 holds one
            last_pts = item.pts
            frame = scaler.convert(item, video.width, video.height, "yuv420p")
            frame.pts, frame.time_base = item.pts, item.time_base
            frame.pict_type = 0  # the encoder chooses its own key frames
            packets = video.encode(frame)
            frames += 1
        else:
            item.stream = audio
            packets = [item]
            sounds += 1
        output.mux(packets)
    output.mux(video.encode())
    if audio is not None and sounds == 0:
        raise InvalidMedia("its header claims sound, and there is none")
    return frames


def _video_stream(source: Source, output: Any) -> Any:
    context = source.video.codec_context
    video = output.add_stream("libx264", rate=source.video.average_rate, options=_ENCODER)
    video.width = max(2, context.width // 2 * 2)  # 4:2:0 wants even sizes
    video.height = max(2, context.height // 2 * 2)
    video.pix_fmt = "yuv420p"
    video.time_base = video.codec_context.time_base = source.video.time_base
    video.codec_context.thread_count = 1
    return video


def _audio_stream(source: Source, output: Any) -> Any | None:
    if source.audio is None:
        return None
    return output.add_stream_from_template(source.audio)
