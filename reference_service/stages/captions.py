"""Stage 4: one sentence for each scene, from the vision service."""

from __future__ import annotations

from reference_service.ports import StageInput, StageOutput
from reference_service.stages.artefacts import read_json, write_json


def run(given: StageInput) -> StageOutput:
    """Writes `captions.json`, one entry a scene. Raises `Unavailable` when the vision service does."""
    captions = []
    for scene in read_json(given, "scenes", "scenes.json")["scenes"]:
        given.interrupt()
        jpeg = (given.artefacts["frames"] / scene["frame"]).read_bytes()
        captions.append(
            {
                "start_s": scene["start_s"],
                "end_s": scene["end_s"],
                "caption": given.vision.caption(jpeg),
            }
        )
    write_json(given.folder / "captions.json", {"captions": captions})
    return StageOutput(files=["captions.json"], facts={"captions": len(captions)})
