"""Stage 5: a small picture of each scene, and one poster for the whole."""

from __future__ import annotations

from reference_service.ports import StageInput, StageOutput
from reference_service.stages.artefacts import leave_part, read_json, read_part, write_json
from reference_service.stages.jpeg import JpegReader, JpegWriter, fit

WIDEST_PX = 160


def run(given: StageInput) -> StageOutput:
    """Writes `thumbnail-000.jpg`, …, `poster.jpg` (of the longest scene) and `thumbnails.json`."""
    scenes = read_json(given, "scenes", "scenes.json")["scenes"]
    frames = given.artefacts["frames"]
    reader = JpegReader()
    writer: JpegWriter | None = None
    names: list[str] = read_part(given) or []
    for number, scene in list(enumerate(scenes))[len(names) :]:
        given.interrupt()
        picture = reader.decode((frames / scene["frame"]).read_bytes())
        writer = writer or JpegWriter(*fit(picture.width, picture.height, WIDEST_PX))
        name = f"thumbnail-{number:03d}.jpg"
        (given.folder / name).write_bytes(writer.encode(picture))
        names.append(name)
        given.unit_done(len(names), leave_part(given, names, names))
    longest = max(scenes, key=lambda scene: scene["end_s"] - scene["start_s"])
    (given.folder / "poster.jpg").write_bytes((frames / longest["frame"]).read_bytes())
    write_json(given.folder / "thumbnails.json", {"poster": "poster.jpg", "scenes": names})
    return StageOutput(files=["poster.jpg", "thumbnails.json", *names], facts={"thumbnails": len(names)})
