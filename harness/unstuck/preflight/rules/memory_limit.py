"""Memory has a limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Platform, Workload
from unstuck.preflight.rules.port import Context, Example

ID: Final = "US004"
TITLE: Final = "Memory has a limit"
SEVERITY: Final = Severity.WARNING
WHY: Final = (
    "Without a limit one job that grows takes the memory of the whole machine, and the kernel then "
    "kills whatever is largest: the database, or a worker that did nothing wrong. With a limit it "
    "kills the one that grew."
)
FIX: Final = "Give each workload a limit: its measured peak and 30 % more."
BAD: Final = Example(
    file="docker-compose.yml",
    text="services:\n  worker:\n    image: video\n    restart: unless-stopped\n",
)
GOOD: Final = Example(
    file="docker-compose.yml",
    text="services:\n  worker:\n    image: video\n    restart: unless-stopped\n    mem_limit: 1g\n",
)
_FIELDS: Final = {
    Platform.COMPOSE: "mem_limit",
    Platform.KUBERNETES: "resources.limits.memory",
    Platform.SYSTEMD: "MemoryMax",
}


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges the user's own programs, where a manifest of this format could say a limit."""
    del context
    if not workload.ours or not workload.limits_memory:
        return
    if workload.memory_limit_mib is not None:
        yield Kept()
        return
    field = _FIELDS.get(workload.platform, "a limit of memory")
    yield Broken(
        line=workload.line, text=f"{field} is not set", step=f"Set {field} to the measured peak plus 30 %."
    )
