"""The limit of memory is above the measured peak, with room."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Workload
from unstuck.preflight.rules.port import Context, Example, lacks_peak, unreadable
from unstuck.preflight.units import show_mib

ID: Final = "US005"
TITLE: Final = "The memory limit leaves 30 % above the measured peak"
SEVERITY: Final = Severity.ERROR
WHY: Final = (
    "At the limit the kernel kills the process, the platform starts it again, it takes the same job, "
    "and is killed again: a crash loop that no retry ends. A peak that was measured on one input is "
    "exceeded by the next."
)
FIX: Final = (
    "Raise the limit to the measured peak times 1.3, or lower the peak (fewer jobs at a time, lazy imports)."
)
HEADROOM: Final = 0.30
_STEP_MIB: Final = 64  # what a next step rounds up to
BAD: Final = Example(
    file="service.yaml",
    text="""\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: video}
spec:
  template:
    spec:
      containers:
        - image: video
""",
    peak_mib=480,
)
GOOD: Final = Example(
    file="service.yaml",
    text="""\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: video}
spec:
  template:
    spec:
      containers:
        - image: video
          resources: {limits: {memory: 1Gi}}
""",
    peak_mib=480,
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges the user's own programs that have a limit."""
    limit = workload.memory_limit_mib
    if not workload.ours or limit is None:
        return
    peak = context.peak_mib(workload)
    if peak is None:
        yield lacks_peak(limit.line, context.measured)
    elif limit.value is None:
        yield unreadable(limit)
    elif limit.value < (needed := peak[0] * (1 + HEADROOM)):
        yield Broken(
            line=limit.line,
            text=f"{limit.text} is below {peak[1]}, {show_mib(peak[0])}, plus 30 % "
            f"({show_mib(math.ceil(needed))})",
            step=f"Raise it to {math.ceil(needed / _STEP_MIB) * _STEP_MIB} MiB or more.",
        )
    else:
        yield Kept()
