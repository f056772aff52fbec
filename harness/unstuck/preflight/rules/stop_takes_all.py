"""A stop ends every process of a unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Workload
from unstuck.preflight.rules.port import Context, Example

ID: Final = "US019"
TITLE: Final = "A stop leaves no process behind"
SEVERITY: Final = Severity.WARNING
WHY: Final = (
    "With `KillMode=process` (or none) systemd stops the main process and leaves its children: they "
    "go on working on jobs beside the new version, with nobody to tell them to stop."
)
FIX: Final = "Use `KillMode=mixed`: SIGTERM to the main process, SIGKILL in the end to all."
BAD: Final = Example(
    file="worker.service",
    text="[Service]\nExecStart=/usr/bin/video worker\nMemoryMax=1G\nRestart=always\nKillMode=process\n",
)
GOOD: Final = Example(
    file="worker.service",
    text="[Service]\nExecStart=/usr/bin/video worker\nMemoryMax=1G\nRestart=always\nKillMode=mixed\n",
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges units that say it."""
    del context
    mode = workload.kill_mode
    if mode is None:
        return
    if mode.value in ("process", "none"):
        yield Broken(
            line=mode.line,
            text=f"{mode.text} leaves children of the program running",
            step="Write KillMode=mixed.",
        )
    else:
        yield Kept()
