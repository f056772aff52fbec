"""A service gets requests only when it can answer them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight.finding import Broken, Kept, Outcome, Severity
from unstuck.preflight.model import Kind, Platform, Workload
from unstuck.preflight.rules.port import Context, Example

ID: Final = "US020"
TITLE: Final = "A service says when it is ready"
SEVERITY: Final = Severity.WARNING
WHY: Final = (
    "Without a readiness probe a pod gets requests from the moment its process exists until the "
    "moment it is gone. Each deploy then answers some of them with an error: at the start before the "
    "service listens, at the end while it drains. Uploads and events that nobody sends again are lost "
    "so."
)
FIX: Final = "Give it a readiness probe that turns bad while it drains."
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
"""
BAD: Final = Example(file="api.yaml", text=_HEAD)
GOOD: Final = Example(
    file="api.yaml", text=_HEAD + "          readinessProbe: {httpGet: {path: /ready, port: 8080}}\n"
)


def judge(workload: Workload, context: Context) -> Iterator[Outcome]:
    """Judges services of Kubernetes that publish a port."""
    del context
    if workload.platform is not Platform.KUBERNETES or workload.kind is not Kind.SERVICE:
        return
    if not workload.reachable:
        return
    if workload.readiness is not None:
        yield Kept()
    else:
        yield Broken(line=workload.line, text="readinessProbe is not set", step="Give it one.")
