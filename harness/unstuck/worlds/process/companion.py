"""A process elsewhere that shares the fate of one of ours: the server in a container, say.

Whoever stands in for it in our tree writes a file that names it. It is signalled with its stand-in, killed
when that one ends, and killed by whoever removes the folder of a run (`residue`), however the run ended.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from unstuck.worlds.process import proctree

FILE = "companion"
"""The name of the file, in a folder directly below one of the run's."""

_GONE_WITHIN_S = 5.0


def tell(file: Path, pid: int) -> bool:
    """Names the process, all at once; False when there is none of this pid, and nothing is written."""
    process = proctree.read(pid)
    if process is None:
        return False
    new = file.with_suffix(".new")
    new.write_text(f"{process.pid} {process.started}\n")
    os.replace(new, file)
    return True


def of(file: Path) -> proctree.Process | None:
    """Whom the file names, while it lives."""
    try:
        pid, started = (int(field) for field in file.read_text().split())
    except (OSError, ValueError):
        return None
    process = proctree.read(pid)
    return process if process is not None and process.alive and process.started == started else None


def kill(file: Path) -> bool:
    """SIGKILL; True when it is gone. What a container holds ends with its process 1."""
    process = of(file)
    if process is None:
        return True
    proctree.send(process, signal.SIGKILL)
    return proctree.wait_gone([process], _GONE_WITHIN_S)
