"""Cloud Run YAML, Cloud Build, and command lines of gcloud and aws."""

from __future__ import annotations

import pytest

from tests.unit.preflight.manifests import workload, workloads
from unstuck.preflight.model import Kind

GRACE = "terminationGracePeriodSeconds"
SERVICE = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: api
spec:
  template:
    metadata:
      annotations:
        run.googleapis.com/cpu-throttling: "false"
        autoscaling.knative.dev/minScale: "1"
    spec:
      containerConcurrency: 4
      timeoutSeconds: 900
      containers:
        - image: video
          command: [python]
          args: [-m, video.api]
          env:
            - {name: LEASE_S, value: "30"}
            - {name: SECRET, valueFrom: {secretKeyRef: {name: s, key: latest}}}
          resources: {limits: {memory: 2Gi}}
          livenessProbe: {httpGet: {path: /live}, periodSeconds: 20}
"""
JOB = """\
apiVersion: run.googleapis.com/v1
kind: Job
metadata: {name: transcode}
spec:
  template:
    spec:
      taskCount: 2
      template:
        spec:
          maxRetries: 3
          containers: [{image: video}]
"""


def test_a_service_with_its_lines() -> None:
    """Time-out, memory, probe, variables, and what keeps it awake."""
    found = workload("service.yaml", SERVICE)
    assert (found.kind, found.name, found.line) == (Kind.SERVICE, "api", 4)
    assert [(one.value, one.line) for one in found.timeouts_s] == [(900, 13)]
    assert found.memory_limit_mib is not None
    assert (found.memory_limit_mib.value, found.memory_limit_mib.line) == (2048, 21)
    assert found.liveness is not None
    assert (found.liveness.patience_s, found.liveness.path) == (41, "/live")
    assert {name: one.value for name, one in found.environment.items()} == {"LEASE_S": "30", "SECRET": None}
    assert found.scales_to_zero is not None
    assert found.scales_to_zero.value is False
    assert found.entry is not None
    assert found.entry.words == ("python", "-m", "video.api")
    assert not found.misplaced


def test_a_job_takes_the_defaults_of_tasks() -> None:
    """600 s a task, 512 MiB, 10 s from SIGTERM to SIGKILL."""
    found = workload("job.yaml", JOB)
    assert found.kind is Kind.JOB
    assert [(one.value, one.default) for one in found.timeouts_s] == [(600, True)]
    assert found.memory_limit_mib is not None
    assert found.memory_limit_mib.value == 512
    assert found.grace_s is not None
    assert found.grace_s.value == 10
    assert found.scales_to_zero is None
    assert not found.misplaced


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        (SERVICE.replace("containerConcurrency: 4", "maxRetries: 4"), "maxRetries", 12),
        (SERVICE.replace("containerConcurrency: 4", f"{GRACE}: 60"), GRACE, 12),
        (JOB.replace("taskCount: 2", "timeoutSeconds: 2"), "timeoutSeconds", 7),
        (JOB.replace("maxRetries: 3", "containerConcurrency: 3"), "containerConcurrency", 10),
    ],
)
def test_fields_of_another_kind_are_found(text: str, name: str, line: int) -> None:
    """With their line."""
    assert [(one.name, one.line) for one in workload("run.yaml", text).misplaced] == [(name, line)]


def test_executions_and_worker_pools() -> None:
    """An execution is a job; a pool is a worker that no request keeps awake."""
    execution = JOB.replace("kind: Job", "kind: Execution").replace(
        "      taskCount: 2\n      template:\n        spec:\n", ""
    )
    assert workload("run.yaml", execution).kind is Kind.JOB
    pool = workload(
        "run.yaml",
        SERVICE.replace("serving.knative.dev", "run.googleapis.com").replace("Service", "WorkerPool"),
    )
    assert (pool.kind, pool.timeouts_s, pool.scales_to_zero) == (Kind.WORKER, (), None)


def test_what_stands_beside_it_in_the_file_is_read_too() -> None:
    """A file may hold Kubernetes' own kinds as well."""
    deployment = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w}\n"
        "spec: {template: {spec: {containers: [{image: x}]}}}\n"
    )
    assert set(workloads("all.yaml", f"{SERVICE}---\n{deployment}")) == {"api", "w"}


# --- command lines

LINES = """\
#!/bin/sh
# gcloud run deploy commented
REGION=x gcloud beta run jobs deploy transcode --image x \\
  --task-timeout=30m \\
  --memory 2Gi --set-env-vars='^;^LEASE_S=60;HEARTBEAT_S=10' --quiet
sudo gcloud run deploy api --timeout 60 --async --command=python --args=-m,v --update-env-vars A=$B && echo
gcloud run services update old --min-instances=2
gcloud run worker-pools deploy pool --memory=1G --timeout=3
gcloud scheduler jobs create http sweep --schedule='*/5 * * * *' --uri=https://x/internal/recover
gcloud pubsub subscriptions create push --ack-deadline=45
aws sqs create-queue --queue-name=plain
aws sqs set-queue-attributes --queue-url http://q/1/long --attributes '{"VisibilityTimeout":"120"}'
aws sqs set-queue-attributes --queue-url http://q/1/other --attributes DelaySeconds=1
gcloud projects list
"""


def test_command_lines_that_deploy() -> None:
    """Jobs, services, pools, schedules, subscriptions and queues; the rest is left alone."""
    found = workloads("deploy.sh", LINES)
    assert {name: (one.kind, one.line) for name, one in found.items()} == {
        "transcode": (Kind.JOB, 3),
        "api": (Kind.SERVICE, 6),
        "old": (Kind.SERVICE, 7),
        "pool": (Kind.WORKER, 8),
        "sweep": (Kind.SCHEDULE, 9),
        "push": (Kind.QUEUE, 10),
        "plain": (Kind.QUEUE, 11),
        "long": (Kind.QUEUE, 12),
    }
    assert [one.lease_s.value for one in found.values() if one.lease_s is not None] == [45, 30, 120]


def test_the_flags_of_a_command_with_their_lines() -> None:
    """Joined by `=` or apart, and on the line where they stand."""
    job = workloads("deploy.sh", LINES)["transcode"]
    assert [(one.value, one.line) for one in job.timeouts_s] == [(1800, 4)]
    assert job.memory_limit_mib is not None
    assert (job.memory_limit_mib.value, job.memory_limit_mib.line) == (2048, 5)
    assert {name: one.value for name, one in job.environment.items()} == {
        "LEASE_S": "60",
        "HEARTBEAT_S": "10",
    }
    api = workloads("deploy.sh", LINES)["api"]
    assert api.entry is not None
    assert api.entry.words == ("python", "-m", "v")
    assert api.environment["A"].value is None
    assert [one.value for one in api.timeouts_s] == [60]


def test_an_update_leaves_alone_what_it_does_not_name() -> None:
    """Its memory is that of an earlier deploy, and it has no default time-out."""
    old = workloads("deploy.sh", LINES)["old"]
    assert old.memory_limit_mib is not None
    assert old.memory_limit_mib.value is None
    assert old.timeouts_s == ()
    assert old.scales_to_zero is not None
    assert old.scales_to_zero.value is None


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("gcloud run jobs update x --timeout=5", ["--timeout"]),
        ("gcloud run jobs execute x --task-timeout=5 --wait", []),
        (
            "gcloud run deploy x --task-timeout=5 --timeout=5 --max-retries 3",
            ["--task-timeout", "--max-retries"],
        ),
        (
            "gcloud alpha run jobs create x --no-cpu-throttling --concurrency 3",
            ["--no-cpu-throttling", "--concurrency"],
        ),
        ("gcloud run worker-pools deploy x --timeout=3", []),
    ],
)
def test_flags_of_another_kind_are_found(line: str, names: list[str]) -> None:
    """Those of services on jobs, and of jobs on services."""
    assert [one.name for one in workload("x.sh", line).misplaced] == names


def test_cloud_build_runs_gcloud_in_three_ways() -> None:
    """By arguments, by a shell, by a script; each flag with its line."""
    found = workloads(
        "cloudbuild.yaml",
        """\
steps:
  - name: cloud-builders/docker
    args: [build, ., -t, x]
  - name: cloud-builders/gcloud
    args:
      - run
      - jobs
      - deploy
      - one
      - --timeout=3600
  - name: cloud-sdk
    entrypoint: bash
    args:
      - -euc
      - |
        gcloud run deploy two \\
          --max-retries=2
  - name: cloud-sdk
    script: |
      #!/bin/sh
      gcloud run jobs deploy three --memory=${_MEMORY}
  - name: cloud-sdk
    entrypoint: /usr/bin/gcloud
    args: run deploy four --memory 1Gi
""",
    )
    assert [(one.name, one.line) for one in found.values()] == [
        ("one", 4),
        ("two", 16),
        ("three", 21),
        ("four", 22),
    ]
    assert [(one.name, one.line) for w in found.values() for one in w.misplaced] == [
        ("--timeout", 10),
        ("--max-retries", 17),
    ]
    assert found["three"].memory_limit_mib is not None
    assert found["three"].memory_limit_mib.value is None


def test_what_a_shell_fills_in_loses_no_flag_behind_it() -> None:
    """A tag that another command tells, and a queue whose address a variable takes."""
    text = (
        "gcloud run jobs deploy t --image=v:$(git rev-parse HEAD) --memory=2Gi --task-timeout=30m 2>&1\n"
        'URL="$(aws sqs create-queue --queue-name jobs \\\n  --attributes VisibilityTimeout=40)"\n'
    )
    ones = workloads("deploy.sh", text)
    assert ones["t"].memory_limit_mib is not None
    assert ones["t"].memory_limit_mib.text == "--memory=2Gi"
    assert [one.text for one in ones["t"].timeouts_s] == ["--task-timeout=30m"]
    lease = ones["jobs"].lease_s
    assert lease is not None
    assert (lease.value, lease.line) == (40, 3)
