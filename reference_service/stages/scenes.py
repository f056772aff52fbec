"""Stage 3: where one scene ends and the next begins."""

from __future__ import annotations

from typing import Any

from reference_service.ports import StageInput, StageOutput
from reference_service.stages.artefacts import leave_part, read_json, read_part, write_json
from reference_service.stages.jpeg import JpegReader

SCENES_MAX = 60  # each costs a caption
CUT_LUMA = 12.0  # of 255


def run(given: StageInput) -> StageOutput:
    """Writes `scenes.json`: start and end in seconds, and the sampled frame that shows the scene."""
    folder = given.artefacts["frames"]
    frames: list[dict[str, Any]] = read_json(given, "frames", "index.json")["frames"]
    duration_s: float = read_json(given, "inspect", "inspect.json")["duration_s"]
    changes: list[tuple[float, int]] = [(change, number) for change, number in read_part(given) or ()]
    reader = JpegReader()
    before: list[int] | None = None
    first = max(0, given.position - 1)  # the last one that was compared is what the next is compared with
    for number, frame in enumerate(frames[first:], first):
        given.interrupt()
        # Sorted brightness: what moves within a scene hardly changes it, a cut does.
        luma = sorted(reader.luma((folder / frame["file"]).read_bytes(), 32, 18))
        if before is not None:
            difference = sum(abs(now - then) for now, then in zip(luma, before, strict=True))
            changes.append((difference / len(luma), number))
        before = luma
        if number >= given.position:
            given.unit_done(number + 1, leave_part(given, (), changes))
    cuts = sorted((change for change in changes if change[0] > CUT_LUMA), reverse=True)[: SCENES_MAX - 1]
    starts = [0, *sorted(number for _, number in cuts)]
    edges_s = [frames[number]["at_s"] for number in starts] + [duration_s]
    scenes = [
        {
            "start_s": edges_s[place],
            "end_s": max(edges_s[place], edges_s[place + 1]),
            "frame": frames[number]["file"],
        }
        for place, number in enumerate(starts)
    ]
    write_json(given.folder / "scenes.json", {"scenes": scenes})
    return StageOutput(files=["scenes.json"], facts={"scenes": len(scenes)})
