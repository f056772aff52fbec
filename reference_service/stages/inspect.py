"""Stage 1: what the source is, or why it is no video that we can process."""

from __future__ import annotations

from reference_service.ports import StageInput, StageOutput
from reference_service.stages.artefacts import write_json
from reference_service.stages.source import open_source, video_frames


def run(given: StageInput) -> StageOutput:
    """Writes `inspect.json`. Raises `InvalidMedia`; bounded in time and memory whatever the input."""
    given.interrupt()
    with open_source(given.source) as source:
        video, audio = source.video, source.audio
        first = next(video_frames(source, given.interrupt, bounded=True))
        facts = {
            "duration_s": round(source.duration_s, 6),
            "size_bytes": given.source.stat().st_size,
            "width": first.width,
            "height": first.height,
            "fps": round(float(video.average_rate or 0), 3),
            "video_codec": video.codec_context.name,
            "audio_codec": None if audio is None else audio.codec_context.name,
        }
    write_json(given.folder / "inspect.json", facts)
    return StageOutput(files=["inspect.json"], facts=facts)
