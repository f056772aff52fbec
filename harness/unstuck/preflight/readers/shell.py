"""Shell scripts: the command lines in them that deploy something."""

from __future__ import annotations

from typing import Final

from unstuck.preflight import shell_words
from unstuck.preflight.model import Workload
from unstuck.preflight.readers import gcloud

FORMAT: Final = "shell script"


def read(text: str) -> list[Workload]:
    """A workload for each command line that deploys one, or that makes a queue or a schedule."""
    return gcloud.workloads(shell_words.commands(text))
