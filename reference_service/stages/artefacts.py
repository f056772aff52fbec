"""The files that one stage leaves for a later one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reference_service.ports import StageInput


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(given: StageInput, stage: str, name: str) -> Any:
    """What `stage` wrote as `name`; a checkpoint is validated before its stage is skipped."""
    return json.loads((given.artefacts[stage] / name).read_text(encoding="utf-8"))


PART = "part.json"
"""What a stage that is not done has come to, for whoever goes on with it."""


def read_part(given: StageInput) -> Any:
    """What the last attempt left at `given.position`; None when there is none to go on from."""
    return json.loads((given.folder / PART).read_text(encoding="utf-8")) if given.position else None


def leave_part(given: StageInput, files: Sequence[str], content: object) -> Callable[[], Sequence[str]]:
    """For `unit_done`: what goes on from here is `content`, as it is when it is asked for, and `files`."""

    def leave() -> Sequence[str]:
        write_json(given.folder / PART, content)
        return [PART, *files]

    return leave
