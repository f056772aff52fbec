"""Videos that are text, and stages that take them for videos: no media work, the same refusals."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from reference_service.ports import Clock, InvalidMedia, StageInput, StageOutput

MAGIC = b"a video of 2 s: "
DURATION_S = 2.0
STREAMS = ("video", "audio")
FRAMES: Mapping[bytes, int] = {b"short.mp4": 12, b"large.mp4": 40, b"minute.mp4": 240}
"""Units of a stage, by video; else 3."""

FRAME_S = (0.01, 0.04)  # of virtual work between two
UNSTEADY = b"unsteady.mp4"
PART = "part.json"
UNIT_BYTES = 200  # of a video, for each unit: so that it can be cut into parts, and cut short
HOSTILE: Mapping[str, bytes] = {
    "truncated.mp4": MAGIC + b"truncated",
    "empty.mp4": b"",
    "not-a-video.mp4": b"This is a letter, not a video.",
    "absurd-resolution.mp4": b"a video of 30000x30000: ",
}


def video(name: str) -> bytes:
    """The content of one of the bundled videos, by name."""
    if name in HOSTILE:
        return HOSTILE[name]
    body = MAGIC + name.encode()
    body = body.ljust(UNIT_BYTES * frames_of(body), b".")
    return body + hashlib.sha256(body).hexdigest().encode()


def problem_of(content: bytes) -> str | None:
    """Why it is no video that can be processed; None: it is one, and whole."""
    if not content.startswith(MAGIC):
        return "no video stream found"
    body, digest = content[:-64], content[-64:]
    return None if hashlib.sha256(body).hexdigest().encode() == digest else "the file is cut short"


def stitched(source: bytes, *, timed: bool = True) -> bytes:
    """What comes of a source. Untimed, an unsteady one loses a second of pictures, and keeps its sound."""
    end = b" " if timed or UNSTEADY not in source else b"-"
    return b"stitched from " + hashlib.sha256(source).hexdigest().encode() + end * 128


def examine(content: bytes, source: bytes) -> dict[str, Any]:
    """As `reference_service.media.examine` would find a result, as far as the final look tells it."""
    untimed = stitched(source, timed=False)
    intact = content in {stitched(source), untimed}
    return {
        "decodes": intact,
        "duration_s": DURATION_S if intact else None,
        "streams": list(STREAMS) if intact else [],
        "pictures": frames_of(source) if intact else 0,
        "sound_behind_s": float(content == untimed != stitched(source)) if intact else None,
        "problem": None if intact else "not what comes of its source",
    }


def frames_of(source: bytes) -> int:
    """How many units each stage of a video has."""
    return next((count for name, count in FRAMES.items() if name in source), 3)


def _leave(part: Path, captions: Sequence[str]) -> Sequence[str]:
    part.write_text(json.dumps(captions))
    return [part.name]


class SimStages:
    """`ports.Stages`: virtual time passes for each frame, and files depend on the source alone."""

    def __init__(self, clock: Clock, dice: random.Random) -> None:
        self._clock = clock
        self._dice = dice

    def run(self, stage: str, given: StageInput) -> StageOutput:
        source = given.source.read_bytes()
        problem = problem_of(source)
        if problem is not None:
            raise InvalidMedia(problem)
        frames = 0 if stage == "inspect" else frames_of(source)
        part = given.folder / PART
        captions: list[str] = json.loads(part.read_text()) if given.position else []
        for number in range(given.position, frames):
            self._clock.sleep(self._dice.uniform(*FRAME_S))
            given.interrupt()
            if stage == "captions":
                captions.append(given.vision.caption(source[: number + 1]))
            given.unit_done(number + 1, partial(_leave, part, tuple(captions)))
        facts: dict[str, Any] = {"frames": frames, "captions": captions}
        name, content = f"{stage}.json", b'"%b"' % hashlib.sha256(source).hexdigest().encode()
        if stage == "stitch":
            name, content = "stitched.mp4", stitched(source, timed=given.timed)
        (given.folder / name).write_bytes(content)
        return StageOutput(files=[name], facts=facts)
