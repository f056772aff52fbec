"""Targets that come ready-made: a folder each, with its target file and a small program.

`scenarios` holds those that are the same for all of them.
"""

from __future__ import annotations

from pathlib import Path

import unstuck

FILE = "unstuck.yaml"
SCENARIOS = "scenarios"


def ready_folder() -> Path:
    """Where they are: in the wheel, or at the top of a checkout."""
    package = Path(unstuck.__file__).parent
    inside = package / "ready"
    return inside if inside.is_dir() else package.parents[1] / "targets"


def ready_targets() -> dict[str, Path]:
    """Name -> target file of each, in alphabetical order."""
    return {path.parent.name: path for path in sorted(ready_folder().glob(f"*/{FILE}"))}


def scenario_files() -> list[Path]:
    """The scenarios that every target of one's own can be run under."""
    return sorted((ready_folder() / SCENARIOS).glob("*.yaml"))
