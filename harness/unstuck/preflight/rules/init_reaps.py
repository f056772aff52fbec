"""A program that leaves children behind has an init in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Kind, Platform, Workload
from unstuck.preflight.programs import FORKS, REAPERS, name_of
from unstuck.preflight.rules.port import Context, Example, unreadable

ID: Final = "US015"
TITLE: Final = "A program that forks has an init"
SEVERITY: Final = Severity.NOTE
WHY: Final = (
    "In a container the program is process 1, and inherits every orphan. A program that does not wait "
    "for children which it never started collects zombies, until no process can be made any more."
)
FIX: Final = "Write `init: true` (Compose), or begin the entry point with tini or dumb-init."
BAD: Final = Example(
    file="Dockerfile", text='FROM python:3.12-slim\nENTRYPOINT ["celery", "-A", "video", "worker"]\n'
)
GOOD: Final = Example(
    file="Dockerfile",
    text='FROM python:3.12-slim\nENTRYPOINT ["tini", "--", "celery", "-A", "video", "worker"]\n',
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges programs that are known to fork, in images and in Compose."""
    del context
    entry = workload.entry
    if entry is None or workload.program not in FORKS:
        return
    if workload.platform not in (Platform.IMAGE, Platform.COMPOSE) or workload.kind is Kind.DEPENDENCY:
        return
    if name_of(entry.words[0]) in REAPERS or (workload.init is not None and workload.init.value):
        yield Kept()
        return
    if workload.init is not None and workload.init.value is None:
        yield unreadable(workload.init)
        return
    step = "Write init: true." if workload.platform is Platform.COMPOSE else 'Begin with "tini", "--".'
    yield Broken(
        line=entry.line,
        text=f"{workload.program} leaves children behind, and no init is in front of it",
        step=step,
    )
