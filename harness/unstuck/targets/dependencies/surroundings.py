"""The environment of a dependency's process: nothing of the user's own leaks in."""

from __future__ import annotations

import os
from pathlib import Path


def surroundings(data: Path) -> dict[str, str]:
    """The PATH of ours; home and temporary files in its own folder; one language, one time zone."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(data),
        "TMPDIR": str(data),
        "LC_ALL": "C",
        "TZ": "UTC",
    }
