"""Kubernetes manifests."""

from __future__ import annotations

import pytest

from tests.unit.preflight.manifests import workload, workloads
from unstuck.errors import UsageError
from unstuck.preflight.model import Kind
from unstuck.preflight.readers import read_manifest

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: video
spec:
  replicas: 2
  template:
    spec:
      terminationGracePeriodSeconds: 60
      containers:
        - name: worker
          image: video
          command: [video]
          args: [worker]
          lifecycle: {preStop: {exec: {command: [sh, -c, "sleep 15; echo"]}}}
          livenessProbe:
            exec: {command: [cat, /tmp/alive]}
            failureThreshold: 5
            timeoutSeconds: 3
          resources: {limits: {memory: 1Gi}}
"""


def test_a_deployment_with_its_lines() -> None:
    """Grace, what preStop takes of it, probe, limit, replicas, restart."""
    found = workload("deployment.yaml", DEPLOYMENT)
    assert (found.name, found.kind, found.line) == ("video", Kind.WORKER, 4)
    assert found.grace_s is not None
    assert (found.grace_s.value, found.grace_s.line, found.pre_stop_s) == (60, 9, 15)
    assert found.liveness is not None
    assert (found.liveness.patience_s, found.liveness.line) == (43, 16)
    assert found.replicas is not None
    assert found.replicas.value == 2
    assert found.restart is not None
    assert found.restart.value == "always"
    assert found.stop_signal is None
    assert found.entry is not None
    assert found.entry.words == ("video", "worker")


def test_defaults_are_those_of_kubernetes() -> None:
    """30 s of grace, a probe every 10 s that fails thrice, and the schedule may overlap."""
    bare = DEPLOYMENT.replace("      terminationGracePeriodSeconds: 60\n", "").replace(
        "            failureThreshold: 5\n            timeoutSeconds: 3\n", ""
    )
    found = workload("deployment.yaml", bare)
    assert found.grace_s is not None
    assert (found.grace_s.value, found.grace_s.default) == (30, True)
    assert found.liveness is not None
    assert found.liveness.patience_s == 21


@pytest.mark.parametrize(
    ("kind", "opening", "name", "expected"),
    [
        ("StatefulSet", "spec: {template: {spec: {P}}}", "x", Kind.SERVICE),
        ("DaemonSet", "spec: {template: {spec: {P}}}", "worker", Kind.WORKER),
        ("Pod", "spec: {P}", "x", Kind.SERVICE),
        ("Job", "spec: {template: {spec: {P}}}", "worker", Kind.JOB),
        (
            "CronJob",
            "spec: {schedule: '* * * * *', jobTemplate: {spec: {template: {spec: {P}}}}}",
            "x",
            Kind.JOB,
        ),
    ],
)
def test_every_kind_has_its_pod_somewhere(kind: str, opening: str, name: str, expected: Kind) -> None:
    """And jobs end."""
    text = f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n{opening}\n"
    found = workload("x.yaml", text.replace("{P}", "{restartPolicy: Never, containers: [{image: video}]}"))
    assert found.kind is expected
    assert (found.restart is None) is (expected is Kind.JOB)
    assert (found.schedule is not None) is (kind == "CronJob")


def test_each_container_is_a_workload() -> None:
    """Called by both names where there are several; lists and several documents are read."""
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a}, {name: b}]}}"
    text = (
        f"apiVersion: v1\nkind: List\nitems: [{pod}]\n---\n{DEPLOYMENT}---\napiVersion: v1\nkind: ConfigMap\n"
    )
    assert list(workloads("all.yaml", text)) == ["p/a", "p/b", "video"]


def test_a_grace_in_the_wrong_place_is_found() -> None:
    """Beside the pod or inside of a container nobody reads it."""
    wrong = DEPLOYMENT.replace("replicas: 2", "terminationGracePeriodSeconds: 2").replace(
        "          image: video\n", "          image: video\n          terminationGracePeriodSeconds: 3\n"
    )
    assert sorted(one.line for one in workload("x.yaml", wrong).misplaced) == [6, 13]


def test_a_misspelt_kind_is_refused() -> None:
    """With what was meant; kinds that start nothing, and those of others, are left alone."""
    with pytest.raises(
        UsageError, match=r"x.yaml:2: kind='Deploymnt' is unknown. Did you mean 'Deployment'\?"
    ):
        read_manifest("x.yaml", DEPLOYMENT.replace("Deployment", "Deploymnt"))
    for kind in ("ConfigMap", "Rollout", "ScaledJob", "PodMonitor", "ReplicationController"):
        assert read_manifest("x.yaml", f"apiVersion: v1\nkind: {kind}\n").workloads == ()


def test_deadlines_are_time_outs() -> None:
    """Of the job and of its pod."""
    text = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n  activeDeadlineSeconds: 600\n"
        "  template: {spec: {activeDeadlineSeconds: 300, containers: [{image: x}]}}\n"
    )
    assert [one.value for one in workload("x.yaml", text).timeouts_s] == [600, 300]
