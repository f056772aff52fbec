"""A schedule does not run over itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Workload
from unstuck.preflight.rules.port import Context, Example

ID: Final = "US016"
TITLE: Final = "A schedule does not run over itself"
SEVERITY: Final = Severity.WARNING
WHY: Final = (
    "When a recovery takes longer than its period, which it does on the very day when much is stuck, "
    "a second one begins beside it, and both trigger the same jobs. Kubernetes allows that unless "
    "told otherwise."
)
FIX: Final = "Set `concurrencyPolicy: Forbid` (or Replace)."
_TEXT: Final = """\
apiVersion: batch/v1
kind: CronJob
metadata: {{name: recovery}}
spec:
  schedule: "*/15 * * * *"
{more}  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: recovery
              image: video
              args: [retry-stuck]
              resources: {{limits: {{memory: 256Mi}}}}
"""
BAD: Final = Example(file="recovery.yaml", text=_TEXT.format(more=""))
GOOD: Final = Example(file="recovery.yaml", text=_TEXT.format(more="  concurrencyPolicy: Forbid\n"))


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges schedules whose platform has a policy for it."""
    del context
    overlap = workload.overlap
    if overlap is None:
        return
    if overlap.value == "Allow":
        yield Broken(
            line=overlap.line,
            text=f"{overlap.text} lets a run begin while another is under way",
            step="Write concurrencyPolicy: Forbid.",
        )
    else:
        yield Kept()
