"""A liveness probe asks the program itself, and none of its dependencies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Probe, Workload
from unstuck.preflight.programs import name_of
from unstuck.preflight.rules.port import Context, Example

ID: Final = "US012"
TITLE: Final = "A liveness probe asks no dependency"
SEVERITY: Final = Severity.WARNING
WHY: Final = (
    "When the database is away for a minute, a liveness probe that asks it restarts every worker: "
    "jobs in flight are lost to the restart, and all of them connect at once when it is back. A "
    "dependency that is away makes a service unready; no restart of the service brings it back."
)
FIX: Final = "Let liveness look at the process alone, and readiness at what it needs."
_HEAD: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      containers:
        - name: api
          image: video
          ports: [{containerPort: 8080}]
          resources: {limits: {memory: 1Gi}}
          readinessProbe: {httpGet: {path: /ready, port: 8080}}
"""
BAD: Final = Example(
    file="api.yaml", text=_HEAD + "          livenessProbe: {httpGet: {path: /ready, port: 8080}}\n"
)
GOOD: Final = Example(
    file="api.yaml", text=_HEAD + "          livenessProbe: {httpGet: {path: /live, port: 8080}}\n"
)
_DEEP: Final = re.compile(
    r"/(ready|readyz|readiness|deep|dependencies|db|database|redis|broker|full)(/|$|\?|-|z)", re.IGNORECASE
)
_CLIENTS: Final = frozenset(
    {
        "pg_isready",
        "psql",
        "redis-cli",
        "mysqladmin",
        "mysql",
        "mongosh",
        "rabbitmqctl",
        "rabbitmq-diagnostics",
        "nc",
    }
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges the user's own programs that have a liveness probe."""
    del context
    probe = workload.liveness
    if probe is None or not workload.ours:
        return
    text = _asks(probe)
    if text is None:
        yield Kept()
    else:
        yield Broken(
            line=probe.line, text=f"{probe.text} {text}", step="Ask the process alone: /live or the like."
        )


def _asks(probe: Probe) -> str | None:
    if probe.path is not None and _DEEP.search(probe.path):
        return f"asks {probe.path}, which speaks of readiness or of a dependency"
    for word in re.split(r"[\s;|&]+", " ".join(probe.words)):
        if name_of(word) in _CLIENTS:
            return f"runs {name_of(word)}, which asks a dependency"
    return None
