"""Stage 2: small pictures of the source at even times; the later stages look at these."""

from __future__ import annotations

from typing import Any

from reference_service.ports import StageInput, StageOutput
from reference_service.stages.artefacts import leave_part, read_part, write_json
from reference_service.stages.jpeg import JpegWriter, fit
from reference_service.stages.source import open_source, video_frames

FRAMES_PER_S = 4.0
FRAMES_MAX = 2000  # of a long video fewer a second are taken
WIDEST_PX = 320


def run(given: StageInput) -> StageOutput:
    """Writes `frame-00000.jpg`, … and `index.json` with the time of each. One frame is held at a time."""
    part = read_part(given) or {"frames": [], "last_pts": None, "due_s": 0.0}
    index: list[dict[str, Any]] = part["frames"]
    with open_source(given.source) as source:
        every_s = max(1 / FRAMES_PER_S, source.duration_s / FRAMES_MAX)
        writer: JpegWriter | None = None
        files = [entry["file"] for entry in index]
        frames = video_frames(source, given.interrupt, bounded=given.bounded, behind_pts=part["last_pts"])
        for frame in frames:
            at_s = source.at_s(frame)
            if index and at_s < part["due_s"] - 1e-6:
                continue
            writer = writer or JpegWriter(*fit(frame.width, frame.height, WIDEST_PX))
            name = f"frame-{len(index):05d}.jpg"
            (given.folder / name).write_bytes(writer.encode(frame))
            index.append({"file": name, "at_s": round(at_s, 6)})
            files.append(name)
            part["last_pts"] = frame.pts
            part["due_s"] = max(part["due_s"], at_s - at_s % every_s) + every_s
            given.unit_done(len(index), leave_part(given, files, part))
    write_json(given.folder / "index.json", {"every_s": every_s, "frames": index})
    return StageOutput(files=["index.json", *files], facts={"frames": len(index)})
