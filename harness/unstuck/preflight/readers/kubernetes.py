"""Kubernetes: Deployment, StatefulSet, DaemonSet, ReplicaSet, Pod, Job and CronJob, also in a List.

Defaults: a grace of 30 s, which includes the preStop hook; `restartPolicy` Always; the stop signal is the
image's own (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/); `concurrencyPolicy` Allow
(https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/). Without a limit a container may use
all the memory of its node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from unstuck.preflight import units
from unstuck.preflight.model import Misplaced, Platform, Setting, Workload
from unstuck.preflight.readers import pods
from unstuck.preflight.readers.kinds import kind_of
from unstuck.preflight.yaml_tree import at, entries, items, text_of
from unstuck.yaml_source import Node

FORMAT: Final = "Kubernetes"
GRACE_S: Final = 30.0
_POD: Final = ("spec", "template", "spec")
PODS: Final = {
    "Deployment": _POD,
    "StatefulSet": _POD,
    "DaemonSet": _POD,
    "ReplicaSet": _POD,
    "Job": _POD,
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", *_POD),
}
"""Kind -> where its pod is described."""

OTHERS: Final = frozenset(
    {
        *("ConfigMap", "Secret", "Service", "ServiceAccount", "Ingress", "Namespace", "Role", "RoleBinding"),
        *("ClusterRole", "ClusterRoleBinding", "NetworkPolicy", "PersistentVolumeClaim", "PersistentVolume"),
        *("PodDisruptionBudget", "HorizontalPodAutoscaler", "StorageClass", "LimitRange", "ResourceQuota"),
        *("PriorityClass", "PodTemplate", "ReplicationController", "Kustomization", "Endpoints", "Lease"),
    }
)
"""Kinds that start nothing, and that a misspelt kind must not be taken for."""


def recognise(documents: list[Node]) -> bool:
    """Something with `apiVersion` and `kind`."""
    return any(text_of(at(one, "kind")) and text_of(at(one, "apiVersion")) for one in documents)


def read(documents: list[Node]) -> list[Workload]:
    """A workload for each container; a CronJob is its schedule, too."""
    found: list[Workload] = []
    for document in documents:
        for one in _whole(document):
            kind = text_of(at(one, "kind")) or ""
            if kind in PODS:
                found += _workloads(one, kind)
    return found


def _whole(document: Node) -> Iterator[Node]:
    if text_of(at(document, "kind")) == "List":
        yield from items(at(document, "items"))
    else:
        yield document


def _workloads(node: Node, kind: str) -> Iterator[Workload]:
    pod = at(node, *PODS[kind])
    containers = items(at(pod, "containers"))
    owner = text_of(at(node, "metadata", "name")) or kind
    for container in containers:
        own = text_of(at(container, "name"))
        name = f"{owner}/{own}" if len(containers) > 1 and own else owner
        yield _workload(node, kind, pod, container, name)


def _workload(node: Node, kind: str, pod: Node | None, container: Node, name: str) -> Workload:
    entry = pods.entry(container)
    image = text_of(at(container, "image"))
    line = (at(node, "metadata", "name") or at(node, "kind") or node).line
    if "/" in name:
        line = (at(container, "name") or container).line
    ends = kind in ("Job", "CronJob")
    return Workload(
        platform=Platform.KUBERNETES,
        kind=kind_of(
            name,
            () if entry is None else entry.words,
            image=image,
            reachable=bool(items(at(container, "ports"))),
            ends=ends,
        ),
        name=name,
        line=line,
        entry=entry,
        grace_s=_grace(pod, line),
        pre_stop_s=pods.pre_stop_s(container),
        limits_memory=True,
        memory_limit_mib=pods.memory_limit(container),
        timeouts_s=_deadlines(node, kind, pod),
        liveness=pods.probe(container, "livenessProbe"),
        readiness=pods.probe(container, "readinessProbe"),
        replicas=_whole_number(node, "replicas"),
        restart=None if ends else _restart(pod, line),
        environment=pods.environment(container),
        schedule=_text(at(node, "spec", "schedule"), "schedule") if kind == "CronJob" else None,
        overlap=_overlap(node, line) if kind == "CronJob" else None,
        reachable=bool(items(at(container, "ports"))),
        misplaced=tuple(_misplaced(node, kind, container)),
        image=image,
    )


def _grace(pod: Node | None, line: int) -> Setting[float]:
    found = at(pod, "terminationGracePeriodSeconds")
    if found is None:
        return Setting(value=GRACE_S, line=line, text="Kubernetes' default grace of 30 s", default=True)
    text = text_of(found)
    return Setting(value=units.seconds(text), line=found.line, text=f"terminationGracePeriodSeconds={text}")


def _deadlines(node: Node, kind: str, pod: Node | None) -> tuple[Setting[float], ...]:
    """`activeDeadlineSeconds` of the Job and of its pod."""
    job = {"Job": at(node, "spec"), "CronJob": at(node, "spec", "jobTemplate", "spec")}.get(kind)
    found = [at(job, "activeDeadlineSeconds"), at(pod, "activeDeadlineSeconds")]
    return tuple(
        Setting(
            value=units.seconds(text_of(one)), line=one.line, text=f"activeDeadlineSeconds={text_of(one)}"
        )
        for one in found
        if one is not None
    )


def _whole_number(node: Node, name: str) -> Setting[int] | None:
    found = at(node, "spec", name)
    if found is None:
        return None
    return Setting(value=units.whole(text_of(found)), line=found.line, text=f"{name}={text_of(found)}")


def _text(found: Node | None, name: str) -> Setting[str] | None:
    text = text_of(found)
    if found is None or text is None:
        return None
    return Setting(value=text, line=found.line, text=f"{name}={text!r}")


def _restart(pod: Node | None, line: int) -> Setting[str]:
    found = at(pod, "restartPolicy")
    text = text_of(found)
    if found is None or text is None:
        return Setting(value="always", line=line, text="Kubernetes' default restartPolicy", default=True)
    value = {"Never": "no", "OnFailure": "on-failure", "Always": "always"}.get(text)
    return Setting(value=value, line=found.line, text=f"restartPolicy={text}")


def _overlap(node: Node, line: int) -> Setting[str]:
    found = at(node, "spec", "concurrencyPolicy")
    text = text_of(found)
    if found is None or text is None:
        return Setting(
            value="Allow", line=line, text="Kubernetes' default concurrencyPolicy=Allow", default=True
        )
    return Setting(value=text, line=found.line, text=f"concurrencyPolicy={text}")


def _misplaced(node: Node, kind: str, container: Node) -> Iterator[Misplaced]:
    """Fields of the pod that stand beside it or inside of a container, where nobody reads them."""
    pod_path = ".".join(PODS[kind])
    for where in (container, None if kind == "Pod" else at(node, "spec")):
        found = entries(where).get("terminationGracePeriodSeconds")
        if found is not None:
            yield Misplaced(
                name="terminationGracePeriodSeconds",
                line=found.line,
                text=f"terminationGracePeriodSeconds={text_of(found)}",
                rule=f"is a field of the pod ({pod_path}), and is ignored here",
                step=f"Move it to {pod_path}.",
            )
