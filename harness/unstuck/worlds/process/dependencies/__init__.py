"""Servers that a session's runs share: a database, and an endpoint for objects and queues."""

from __future__ import annotations

import re
from pathlib import Path

_ADDRESS_IN_USE = re.compile(r"already in use|could not bind", re.IGNORECASE)

STARTS_MAX = 5
"""How often a server is started on another port when somebody was faster."""


def port_was_taken(error: Exception) -> bool:
    """Whether a start failed since somebody took the port between our looking and its binding."""
    text = str(error)
    return "port is taken" in text or bool(_ADDRESS_IN_USE.search(text))


def folder_of(scratch: Path, name: str) -> Path:
    """A new folder below the run's own, for one server."""
    folder = scratch / name
    folder.mkdir(mode=0o700)
    return folder
