"""Targets that come ready-made: a folder each, with its target file and a small program.

`scenarios` holds those that are the same for all of them.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
FILE = "unstuck.yaml"
SCENARIOS = "scenarios"


def ready_targets() -> dict[str, Path]:
    """Name -> target file of each, in alphabetical order."""
    return {path.parent.name.replace("_", "-"): path for path in sorted(FOLDER.glob(f"*/{FILE}"))}


def scenario_files() -> list[Path]:
    """The scenarios that every target of one's own can be run under."""
    return sorted((FOLDER / SCENARIOS).glob("*.yaml"))
