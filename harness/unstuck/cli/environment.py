"""Keeps the user's own surroundings out of a run: what it depends on is in its plan, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Final

_PREFIXES: Final = ("AWS_", "BOTO_", "PG", "REFERENCE_")
"""What S3 and SQS clients, PostgreSQL's clients, and the reference service read."""


def shut_out(environment: MutableMapping[str, str] = os.environ) -> None:
    """Removes what would redirect our clients or the service: profiles, endpoints, proxies, settings.

    Everything that a run talks to is on 127.0.0.1, where no proxy may stand in between.
    """
    for name in list(environment):
        if name.upper().startswith(_PREFIXES) or name.lower().endswith("_proxy"):
            del environment[name]
