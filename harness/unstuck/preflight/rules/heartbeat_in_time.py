"""A heartbeat comes at least twice within the lease that it renews."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Workload
from unstuck.preflight.rules.lease_outlasts_stage import heartbeat, leases
from unstuck.preflight.rules.port import Context, Example, unreadable
from unstuck.preflight.units import show_s

ID: Final = "US009"
TITLE: Final = "A heartbeat comes twice within its lease"
SEVERITY: Final = Severity.WARNING
WHY: Final = (
    "A heartbeat that comes once within a lease must never be late: one slow write, one collection of "
    "garbage, and the job is given to somebody else while its worker is alive."
)
FIX: Final = "Send it three or four times within the lease; at the very least twice."
BAD: Final = Example(
    file="docker-compose.yml",
    text="""\
services:
  worker:
    image: video
    environment: {LEASE_S: 30, HEARTBEAT_S: 25}
""",
)
GOOD: Final = Example(
    file="docker-compose.yml",
    text="""\
services:
  worker:
    image: video
    environment: {LEASE_S: 30, HEARTBEAT_S: 8}
""",
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges where both are told to the same workload."""
    if not context.works(workload):
        return
    beat = heartbeat(workload.environment)
    for lease in leases(workload):
        if beat is None:
            return
        if beat.value is None or lease.value is None:
            yield unreadable(beat if beat.value is None else lease)
        elif beat.value * 2 > lease.value:
            yield Broken(
                line=beat.line,
                text=f"{beat.text} comes less than twice within {lease.text}",
                step=f"Send it every {show_s(lease.value / 4)} or so.",
                about=lease.text.partition("=")[0],
            )
        else:
            yield Kept()
