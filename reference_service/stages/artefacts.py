"""The files that one stage leaves for a later one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reference_service.ports import StageInput


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(given: StageInput, stage: str, name: str) -> Any:
    """What `stage` wrote as `name`; a checkpoint is validated before its stage is skipped."""
    return json.loads((given.artefacts[stage] / name).read_text(encoding="utf-8"))
