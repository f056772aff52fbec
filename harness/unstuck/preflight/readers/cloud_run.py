"""Cloud Run YAML: a Service (Knative), a Job, an Execution, a WorkerPool.

Facts and where they come from: SIGTERM, then SIGKILL 10 s later, and no field changes that
(https://cloud.google.com/run/docs/container-contract); 512 MiB unless said otherwise
(https://cloud.google.com/run/docs/configuring/services/memory-limits); a request may take 300 s unless
`timeoutSeconds` of the revision says otherwise
(https://cloud.google.com/run/docs/configuring/request-timeout); a task may take 600 s unless
`timeoutSeconds` of the task does, and is tried again 3 times
(https://cloud.google.com/run/docs/reference/rest/v1/TaskSpec). CPU is given while a request is under way,
and instances go when none is, unless `cpu-throttling` is false and `minScale` at least 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight import units
from unstuck.preflight.model import Kind, Misplaced, Platform, Setting, Workload
from unstuck.preflight.readers import pods
from unstuck.preflight.readers.kinds import kind_of
from unstuck.preflight.yaml_tree import at, entries, items, text_of
from unstuck.yaml_source import Node

FORMAT: Final = "Cloud Run"
GRACE_S: Final = 10.0
MEMORY_MIB: Final = 512.0
REQUEST_S: Final = 300.0
TASK_S: Final = 600.0

_REVISION: Final = ("spec", "template")
_TASKS: Final = {
    "Job": ("spec", "template", "spec", "template", "spec"),
    "Execution": ("spec", "template", "spec"),
}
_KINDS: Final = ("Service", "WorkerPool", *_TASKS)
_OF_TASKS: Final = ("maxRetries", "taskCount", "parallelism")
_OF_REQUESTS: Final = ("containerConcurrency",)


def recognise(documents: list[Node]) -> bool:
    """`apiVersion` of Knative Serving or of Cloud Run, and a kind of theirs."""
    return any(_ours(one) for one in documents)


def read(documents: list[Node]) -> list[Workload]:
    """A workload for each container."""
    return [workload for one in documents if _ours(one) for workload in _workloads(one)]


def grace(line: int) -> Setting[float]:
    """What every container gets."""
    return Setting(value=GRACE_S, line=line, text="Cloud Run's grace of 10 s", default=True)


def sigterm(line: int) -> Setting[str]:
    """What every container is sent."""
    return Setting(value="SIGTERM", line=line, text="Cloud Run's SIGTERM", default=True)


def memory_default(line: int) -> Setting[float]:
    """What a container gets that asks for nothing."""
    return Setting(value=MEMORY_MIB, line=line, text="Cloud Run's default memory of 512 MiB", default=True)


def scales_to_zero(*, throttled: bool | None, least: int | None) -> bool | None:
    """False where it has CPU and at least one instance while no request is under way. None is not known."""
    if throttled or least == 0:
        return True
    return None if throttled is None or least is None else False


def _ours(document: Node) -> bool:
    version = text_of(at(document, "apiVersion")) or ""
    group = version.partition("/")[0]
    return group in ("serving.knative.dev", "run.googleapis.com") and text_of(at(document, "kind")) in _KINDS


def _workloads(node: Node) -> Iterator[Workload]:
    kind = text_of(at(node, "kind")) or ""
    spec = at(node, *_TASKS.get(kind, (*_REVISION, "spec")))
    containers = items(at(spec, "containers"))
    name_node = at(node, "metadata", "name") or at(node, "kind") or node
    owner = text_of(at(node, "metadata", "name")) or kind
    for nth, container in enumerate(containers):
        own = text_of(at(container, "name"))
        name = f"{owner}/{own}" if nth and own else owner
        yield _workload(node, kind, spec, container, name, name_node.line)


def _workload(node: Node, kind: str, spec: Node | None, container: Node, name: str, line: int) -> Workload:
    entry = pods.entry(container)
    words = () if entry is None else entry.words
    ours = kind_of(name, words, ends=kind in _TASKS)
    return Workload(
        platform=Platform.CLOUD_RUN,
        kind=Kind.WORKER if kind == "WorkerPool" else ours,
        name=name,
        line=line,
        entry=entry,
        stop_signal=sigterm(line),
        grace_s=grace(line),
        grace_fixed=True,
        limits_memory=True,
        memory_limit_mib=pods.memory_limit(container) or memory_default(line),
        timeouts_s=_timeouts(kind, spec, line),
        liveness=pods.probe(container, "livenessProbe"),
        readiness=pods.probe(container, "startupProbe"),
        environment=pods.environment(container),
        scales_to_zero=_scales_to_zero(node, line) if kind == "Service" else None,
        misplaced=tuple(_misplaced(node, kind, spec)),
        image=text_of(at(container, "image")),
    )


def _timeouts(kind: str, spec: Node | None, line: int) -> tuple[Setting[float], ...]:
    if kind == "WorkerPool":
        return ()
    found = at(spec, "timeoutSeconds")
    if found is not None:
        text = text_of(found)
        return (Setting(value=units.seconds(text), line=found.line, text=f"timeoutSeconds={text}"),)
    value, what = (
        (TASK_S, "task time-out of 600 s") if kind in _TASKS else (REQUEST_S, "request time-out of 300 s")
    )
    return (Setting(value=value, line=line, text=f"Cloud Run's default {what}", default=True),)


def _scales_to_zero(node: Node, line: int) -> Setting[bool]:
    """By the annotations of the revision, and of the service."""
    notes = entries(at(node, *_REVISION, "metadata", "annotations"))
    of_service = entries(at(node, "metadata", "annotations"))
    throttled = notes.get("run.googleapis.com/cpu-throttling")
    least = notes.get("autoscaling.knative.dev/minScale") or of_service.get("run.googleapis.com/minScale")
    shown = text_of(least) or "0"
    said = [one for one in (throttled, least) if one is not None]
    return Setting(
        value=scales_to_zero(
            throttled=True if throttled is None else units.switch(text_of(throttled)),
            least=units.whole(shown),
        ),
        line=said[0].line if said else line,
        text=f"cpu-throttling={text_of(throttled) or 'true'} with minScale={shown}",
        default=not said,
    )


def _misplaced(node: Node, kind: str, spec: Node | None) -> Iterator[Misplaced]:
    tasks = kind in _TASKS
    places = {id(one): one for one in (at(node, "spec"), at(node, *_REVISION, "spec"), spec)}
    for where in places.values():
        for name, found in entries(where).items():
            if name == "terminationGracePeriodSeconds":
                rule = "is not a field of Cloud Run, which gives 10 s"
                step = "Take it out, and drain within 10 s."
            elif name in _OF_REQUESTS and tasks:
                rule, step = "is a field of services", "Take it out; taskCount and parallelism are a job's."
            elif name in _OF_TASKS and not tasks:
                rule, step = "is a field of jobs", "Take it out, or make it a Job."
            elif name == "timeoutSeconds" and where is not spec:
                rule = "stands where nobody reads it"
                path = ".".join(_TASKS.get(kind, (*_REVISION, "spec")))
                step = f"Move it to {path}."
            else:
                continue
            yield Misplaced(name=name, line=found.line, text=f"{name}={text_of(found)}", rule=rule, step=step)
