"""The media work: six stages over one MP4, one file a stage, each streaming and interruptible."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reference_service.ports import StageInput, StageOutput
from reference_service.stages import captions, frames, inspect, scenes, stitch, thumbnails

_RUN: Mapping[str, Callable[[StageInput], StageOutput]] = {
    "inspect": inspect.run,
    "frames": frames.run,
    "scenes": scenes.run,
    "captions": captions.run,
    "thumbnails": thumbnails.run,
    "stitch": stitch.run,
}


class MediaStages:
    """`ports.Stages` on real media, by PyAV.

    Each goes on from its `position`, except `inspect`, which is one look. `frames` and `stitch` decode again
    from the last key frame before it: a picture depends on those back to there, and on no earlier one.
    """

    def run(self, stage: str, given: StageInput) -> StageOutput:
        """Raises `InvalidMedia` when the source is at fault, `KeyError` when there is no such stage."""
        return _RUN[stage](given)


__all__ = ["MediaStages"]
