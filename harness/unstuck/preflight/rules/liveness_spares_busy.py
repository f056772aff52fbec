"""A liveness probe does not kill a worker because it is busy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Open, Outcome, Severity
from unstuck.preflight.model import Workload
from unstuck.preflight.rules.port import Context, Example, lacks_stage
from unstuck.preflight.units import show_s

ID: Final = "US011"
TITLE: Final = "A liveness probe is patient for the longest stage"
SEVERITY: Final = Severity.WARNING
WHY: Final = (
    "A worker that computes may not answer. A liveness probe that gives up before the longest stage "
    "is over kills the workers that are busiest, their jobs begin again, and are killed at the same "
    "place. Where the answer comes from a thread or a process of its own that is never busy, allow "
    "this finding and say so."
)
FIX: Final = (
    "Make `periodSeconds` times (`failureThreshold` - 1) longer than the longest stage, or let the "
    "probe look at a heartbeat that the work itself renews."
)
_HEAD: Final = """\
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
"""
BAD: Final = Example(
    file="worker.yaml",
    text=_HEAD + "          livenessProbe: {exec: {command: [cat, /tmp/alive]}, periodSeconds: 10}\n",
    longest_stage_s=95,
)
GOOD: Final = Example(
    file="worker.yaml",
    text=_HEAD + "          livenessProbe: {exec: {command: [cat, /tmp/alive]}, failureThreshold: 15}\n",
    longest_stage_s=95,
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges what does the work and has a liveness probe (or systemd's watchdog)."""
    probe = workload.liveness
    if probe is None or not context.works(workload):
        return
    stage_s, patience_s = context.measured.longest_stage_s, probe.patience_s
    if stage_s is None:
        yield lacks_stage(probe.line, context.measured)
    elif patience_s is None:
        yield Open(
            line=probe.line, lacks=f"{probe.text} has a value that is not known here", step="Write it out."
        )
    elif patience_s <= stage_s:
        yield Broken(
            line=probe.line,
            text=f"{probe.text} gives up after {show_s(patience_s)}, "
            f"within the longest stage, {show_s(stage_s)}",
            step="Let it wait longer, or look at a heartbeat of the work.",
        )
    else:
        yield Kept()
