"""What a dependency's process is given, and may not be given: nothing of the user's own leaks in."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from unstuck.errors import TargetError


def surroundings(data: Path) -> dict[str, str]:
    """The PATH of ours; home and temporary files in its own folder; one language, one time zone."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(data),
        "TMPDIR": str(data),
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def refuse_settings(settings: Mapping[str, str], ours: Collection[str]) -> None:
    """Raises `TargetError` for a setting that would take it off its port, its folder, or the loopback."""
    for name, value in settings.items():
        if name.lower() in ours:
            raise TargetError(f"settings: {name}={value!r} is Unstuck's to choose; leave it out")
