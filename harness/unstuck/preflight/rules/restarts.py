"""What ends is started again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Kind, Platform, Workload
from unstuck.preflight.rules.port import Context, Example, unreadable

ID: Final = "US014"
TITLE: Final = "Workers and services are started again"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "A worker that was killed for want of memory, or that ended by an error, is gone for good unless "
    "something starts it again: its queue grows, and nothing says so. For a service this is a "
    "warning."
)
FIX: Final = "Set the restart policy: `restart: unless-stopped`, `Restart=always`, `restartPolicy: Always`."
BAD: Final = Example(
    file="worker.service",
    text="[Service]\nExecStart=/usr/bin/video worker\nMemoryMax=1G\n",
)
GOOD: Final = Example(
    file="worker.service",
    text="[Service]\nExecStart=/usr/bin/video worker\nMemoryMax=1G\nRestart=always\n",
)
_LEAVES: Final = frozenset({"no", "on-success", "on-watchdog"})
"""Policies that do not start again what was killed for want of memory; the latter two are systemd's."""

_ALWAYS: Final = {
    Platform.COMPOSE: "restart: unless-stopped",
    Platform.SYSTEMD: "Restart=always",
    Platform.KUBERNETES: "restartPolicy: Always",
    Platform.FLY: 'policy = "always"',
}


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges workers and services, where the policy is said or has a default."""
    del context
    restart = workload.restart
    if restart is None or workload.kind not in (Kind.WORKER, Kind.SERVICE):
        return
    if restart.value is None:
        yield unreadable(restart)
    elif restart.value in _LEAVES:
        yield Broken(
            line=restart.line,
            text=f"{restart.text} leaves a {workload.kind} that died as it is",
            step=f"Write {_ALWAYS.get(workload.platform, 'a policy that starts it again')}.",
            severity=None if workload.kind is Kind.WORKER else Severity.WARNING,
        )
    else:
        yield Kept()
