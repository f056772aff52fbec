"""Something looks for stuck jobs again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Open, Outcome, Severity
from unstuck.preflight.model import Kind, Workload
from unstuck.preflight.rules.port import Context, Example

ID: Final = "US013"
TITLE: Final = "A recovery runs on a schedule"
SEVERITY: Final = Severity.WARNING
WHY: Final = (
    "Events get lost, and workers die between two writes. Without something that looks for jobs which "
    "nobody works on, each of these stays stuck until somebody complains."
)
FIX: Final = (
    "Deploy a sweeper, or a schedule that calls the recovery (every few minutes), beside the workers. "
    "If it stands in a file that was not given, give that, too."
)
BAD: Final = Example(
    file="docker-compose.yml",
    text="services:\n  worker:\n    image: video\n    command: [video, worker]\n    restart: always\n",
)
GOOD: Final = Example(
    file="docker-compose.yml",
    text="""\
services:
  worker:
    image: video
    command: [video, worker]
    restart: always
  sweeper:
    image: video
    command: [video, sweeper]
    restart: always
""",
)
_RECOVERS: Final = re.compile(
    r"sweep|recover|reconcil|rescue|reap|requeue|re-queue|unstick|stuck|orphan|retry|stale|janitor|watchdog",
    re.IGNORECASE,
)
_EVERY: Final = re.compile(r".*(SWEEP|RECOVER|RECONCIL|REAP|RESCUE|ORPHAN)\w*", re.IGNORECASE)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges the first worker of all that was given, once."""
    workers = [one for one in context.workloads if one.kind is Kind.WORKER]
    if not workers or workload is not workers[0]:
        return
    if any(_recovers(one) for one in context.workloads):
        yield Kept()
        return
    schedules = [one for one in context.workloads if one.schedule is not None or one.kind is Kind.SCHEDULE]
    if schedules:
        yield Open(
            line=workload.line,
            lacks=f"whether the schedule {schedules[0].name!r} recovers stuck jobs is not known",
            step="Name it for what it does, or look.",
        )
        return
    yield Broken(
        line=workload.line,
        text="nothing that was given looks for stuck jobs: no sweeper, no schedule",
        step="Add one, or give the file that has it.",
    )


def _recovers(workload: Workload) -> bool:
    started = "" if workload.entry is None else " ".join(workload.entry.words)
    if _RECOVERS.search(f"{workload.name} {started}"):
        return True
    return any(_EVERY.fullmatch(name) for name in workload.environment)
