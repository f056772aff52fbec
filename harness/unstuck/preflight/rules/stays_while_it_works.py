"""A worker is not stopped because no request is under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Kind, Platform, Workload
from unstuck.preflight.rules.port import Context, Example, unreadable

ID: Final = "US018"
TITLE: Final = "A worker is not stopped for want of requests"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "Cloud Run and fly's proxy judge idleness by requests. A worker that takes jobs from a queue has "
    "none: its processor is taken away, or its instance stopped, in the midst of a job."
)
FIX: Final = (
    "Cloud Run: a worker pool or a job; else `--no-cpu-throttling` with at least one instance. fly: "
    '`auto_stop_machines = "off"` for that group, or no service in front of it.'
)
BAD: Final = Example(file="deploy.sh", text="gcloud run deploy video-worker --image=video --memory=2Gi\n")
GOOD: Final = Example(
    file="deploy.sh",
    text="gcloud run deploy video-worker --image=video --memory=2Gi --no-cpu-throttling --min-instances=1\n",
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges workers on platforms that scale by requests."""
    del context
    scales = workload.scales_to_zero
    if scales is None or workload.kind is not Kind.WORKER:
        return
    if scales.value is None:
        yield unreadable(scales)
    elif scales.value:
        step = "Make it a worker pool, or give it --no-cpu-throttling and --min-instances=1."
        if workload.platform is Platform.FLY:
            step = 'Write auto_stop_machines = "off".'
        yield Broken(
            line=scales.line, text=f"{scales.text} stops a worker whenever no request is under way", step=step
        )
    else:
        yield Kept()
