"""Stage 4: one sentence for each scene, from the vision service."""

from __future__ import annotations

from reference_service.ports import StageInput, StageOutput
from reference_service.stages.artefacts import leave_part, read_json, read_part, write_json


def run(given: StageInput) -> StageOutput:
    """Writes `captions.json`, one entry a scene. Raises `Unavailable` when the vision service does."""
    captions = read_part(given) or []
    for scene in read_json(given, "scenes", "scenes.json")["scenes"][len(captions) :]:
        given.interrupt()
        jpeg = (given.artefacts["frames"] / scene["frame"]).read_bytes()
        captions.append(
            {
                "start_s": scene["start_s"],
                "end_s": scene["end_s"],
                "caption": given.vision.caption(jpeg),
            }
        )
        given.unit_done(len(captions), leave_part(given, (), captions))
    write_json(given.folder / "captions.json", {"captions": captions})
    return StageOutput(files=["captions.json"], facts={"captions": len(captions)})
