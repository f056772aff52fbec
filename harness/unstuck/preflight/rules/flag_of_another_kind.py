"""Flags and fields that this kind of workload does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Platform, Workload
from unstuck.preflight.rules.port import Context, Example

ID: Final = "US001"
TITLE: Final = "Flags and fields belong to the kind of workload"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "A service and a job of Cloud Run look alike and have different flags: `--timeout` is how long a "
    "request may take, `--task-timeout` how long a task may. The wrong one makes the deploy fail, or "
    "(in YAML) is ignored, and the default cuts the work."
)
FIX: Final = "Use the flag of this kind; take out what has no counterpart. A field goes where it is read."
BAD: Final = Example(
    file="deploy.sh", text="gcloud run jobs deploy transcode --image=video --memory=2Gi --timeout=3600\n"
)
GOOD: Final = Example(
    file="deploy.sh", text="gcloud run jobs deploy transcode --image=video --memory=2Gi --task-timeout=3600\n"
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges what has flags or fields that can be misplaced: Cloud Run and Kubernetes."""
    del context
    if workload.platform not in (Platform.CLOUD_RUN, Platform.KUBERNETES):
        return
    for one in workload.misplaced:
        yield Broken(line=one.line, text=f"{one.text} {one.rule}", step=one.step, about=one.name)
    if not workload.misplaced:
        yield Kept()
