"""The grace before SIGKILL holds the longest stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Kind, Workload
from unstuck.preflight.rules.drain_fits_grace import declared
from unstuck.preflight.rules.grace import cut_by_deploys, raise_grace, shown_grace, usable_s
from unstuck.preflight.rules.port import Context, Example, lacks_stage, of_service, unreadable
from unstuck.preflight.units import show_s

ID: Final = "US003"
TITLE: Final = "The grace is longer than the longest stage"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "A worker that is told to stop while it is in a stage needs the rest of that stage to reach its "
    "next checkpoint. Where the grace is shorter, each deploy throws that work away, and a service "
    "that relies on finishing leaves the job `processing`. With a drain that is declared and fits, "
    "the job is handed back: then this is a note. So it is for a job that runs to its end, which only "
    "a drained node cuts. Of a service, which may do other things than the work, it is a warning."
)
FIX: Final = (
    "Set the grace to the longest stage and some seconds more; where a platform offers no such grace "
    "(Cloud Run: 10 s), checkpoint within the stage and hand the job back."
)
BAD: Final = Example(
    file="worker.yaml",
    text="""\
apiVersion: apps/v1
kind: Deployment
metadata: {name: video-worker}
spec:
  template:
    spec:
      containers:
        - name: worker
          image: video
          resources: {limits: {memory: 1Gi}}
""",
    longest_stage_s=95,
)
GOOD: Final = Example(
    file="worker.yaml",
    text="""\
apiVersion: apps/v1
kind: Deployment
metadata: {name: video-worker}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 120
      containers:
        - name: worker
          image: video
          resources: {limits: {memory: 1Gi}}
""",
    longest_stage_s=95,
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges what does the work and has a grace."""
    if not context.works(workload) or workload.grace_s is None or not cut_by_deploys(workload):
        return
    stage_s, grace_s = context.measured.longest_stage_s, usable_s(workload)
    if stage_s is None:
        yield lacks_stage(workload.grace_s.line, context.measured)
    elif grace_s is None:
        yield unreadable(workload.grace_s)
    elif grace_s <= stage_s:
        drain = declared(workload)
        handed_back = drain is not None and drain.value is not None and drain.value < grace_s
        yield Broken(
            line=workload.grace_s.line,
            text=f"{shown_grace(workload)} is no longer than the longest stage, "
            f"{show_s(stage_s)}: a deploy cuts it",
            step=raise_grace(workload, stage_s),
            severity=Severity.NOTE if handed_back or workload.kind is Kind.JOB else of_service(workload),
        )
    else:
        yield Kept()
