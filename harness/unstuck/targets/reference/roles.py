"""The processes of the reference service: which, how many, and what their environment says."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reference_service.settings import GivenSettings
from unstuck.scenario import RoleOptions, Scenario
from unstuck.targets.reference.places import INTERNAL_TOKEN, REGION, Places, tokens
from unstuck.targets.reference.settled_alerts import LOOKS
from unstuck.worlds.port import ProcessSpec
from unstuck.worlds.process.ports import free_port

ENTRY = "reference_service.__main__:main"
MIB = 1024 * 1024

REPLICAS: Mapping[str, int] = {
    "vision": 1,
    "api": 1,
    "worker": 2,
    "sweeper": 1,
    "scheduler": 0,
    "relay": 1,
    "push": 0,
}
"""Roles in the order in which they start, and how many of each unless a scenario says otherwise.

A scheduler sweeps every quarter of an hour: it runs where a scenario wants it, and gives it a schedule.
With the setting `delivery: push` there is one `push`.
"""

REACHES: Mapping[str, tuple[str, ...]] = {
    "vision": (),
    "api": ("database", "objects", "queue"),
    "worker": ("database", "objects", "queue", "vision", "sink"),
    "sweeper": ("database", "objects", "queue"),
    "scheduler": ("database", "objects", "queue"),
    "relay": ("database", "objects", "queue"),
    "push": ("database", "queue"),
}
"""Which dependencies a role talks to; each of these connections is a link."""

FRAMERS: Mapping[str, str] = {
    "database": "postgres",
    "objects": "http1",
    "queue": "http1",
    "vision": "http1",
    "sink": "http1",
}

QUIET_WITHIN_S = 3.0
RELAY_RESTS_S = 5.0  # at most, after it found a dependency away

SETTINGS: Mapping[str, str | int | float | bool] = {
    "upload_deadline_s": 8.0,  # within every budget: an announcement that nobody heard of expires in time
    "upload_idle_s": 5.0,
    "lease_s": 2.0,
    "heartbeat_s": 0.5,
    "drain_grace_s": 3.0,
    "attempts_max": 3,
    "retry_first_s": 0.2,
    "retry_longest_s": 2.0,
    "breaker_open_s": 1.0,
    "vision_answer_s": 3.0,
    "job_timeout_s": 20.0,
    "stage_timeout_s": 20.0,
    "slots": 2,
    "receive_wait_s": 0.5,
    "ack_deadline_s": 1.0,
    "sweep_every_s": 0.5,
    "reconcile_after_s": 3.0,
    "recovery_stuck_after_s": 2.0,
    "recovery_quiet_s": 1.0,
    "recovery_lease_s": 3.0,
    "instance_dead_after_s": 3.0,
    "relay_every_s": 0.1,
}
"""The service's periods, shortened so that a recovery takes seconds; a scenario may change each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """What one process reaches each dependency by: dependency -> (host, port) of its own link."""

    of: Mapping[str, tuple[str, int]]

    def http(self, dependency: str) -> str:
        host, port = self.of[dependency]
        return f"http://{host}:{port}"


def names(scenario: Scenario) -> list[tuple[str, str]]:
    """(process, role) of every process that a run starts with."""
    return [
        (f"{role}-{number}", role)
        for role, usual in REPLICAS.items()
        for number in range(1, _replicas(scenario, role, usual) + 1)
    ]


def _replicas(scenario: Scenario, role: str, usual: int) -> int:
    chosen = scenario.roles.get(role, RoleOptions()).replicas
    if role == "push" and scenario.settings.get("delivery") == "push":
        usual = 1
    return usual if chosen is None else chosen


def spec(
    name: str,
    role: str,
    *,
    scenario: Scenario,
    places: Places,
    addresses: Addresses,
    port: int,
    public_objects: str,
    points: str | None,
    defences_off: tuple[str, ...],
    folder: Path,
    scratch: Path,
    world_limits_memory: bool = True,
    version: str | None = None,
    version_path: Path | None = None,
) -> ProcessSpec:
    """A process of a role, complete. `port` is its own when it serves HTTP.

    Without memory groups the service limits each job's child itself, by address space: another fault, and
    labelled so. `version_path`: the unpacked wheel of another version, which is executed, not forked.
    """
    options = scenario.roles.get(role, RoleOptions())
    environment = _chosen(name, scenario, options)
    environment |= _places(places, addresses, port)
    disk = _disk(scratch, name) if options.disk_limit_mib is not None else None
    environment["REFERENCE_WORK_FOLDER"] = disk or str(scratch)
    environment["REFERENCE_S3_PUBLIC_ENDPOINT"] = public_objects
    if options.liveness and role not in {"api", "vision"}:
        port = free_port()
        environment["REFERENCE_METRICS_PORT"] = str(port)
    environment |= _unsafe(defences_off) | ({} if points is None else {"REFERENCE_TESTPOINTS": points})
    if version_path is not None:
        environment["PYTHONPATH"] = str(version_path)
    limit = options.memory_limit_mib
    environment = _memory(limit, world_limits_memory) | environment
    return ProcessSpec(
        name=name,
        role=role,
        entry=ENTRY if version_path is None else None,
        argv=(role,) if version_path is None else (),
        # -P: else Python looks into the working directory first, and in a checkout finds today's code there.
        command=None if version_path is None else [sys.executable, "-P", "-m", "reference_service", role],
        version=version or "current",
        environment=environment,
        log=str(folder / "logs" / f"{name}.log"),
        ready_url=f"http://127.0.0.1:{port}/readyz" if role == "api" else None,
        ready_line=None if role == "api" else "ready",
        live_url=f"http://127.0.0.1:{port}/livez" if options.liveness else None,
        disk_folder=disk,
        disk_bytes=None if options.disk_limit_mib is None else options.disk_limit_mib * MIB,
        descriptors_max=options.descriptors_max,
        memory_limit_bytes=None if limit is None else limit * MIB,
        memory_limited_by="world" if world_limits_memory else "service",
    )


def _chosen(name: str, scenario: Scenario, options: RoleOptions) -> dict[str, str]:
    """What the scenario chose, over the target's own settings, and whose clients there are."""
    settings = {**SETTINGS, **scenario.settings, **options.settings}
    tenants = tokens(upload.tenant for upload in scenario.workload)
    return {
        **{f"REFERENCE_{key.upper()}": _text(value) for key, value in settings.items()},
        "REFERENCE_INSTANCE": name,
        "REFERENCE_TOKENS": json.dumps(tenants),
    }


def evaluators(scenario: Scenario) -> int:
    """How many processes evaluate the rules of alerts, at most: it is either relays or sweepers."""
    return max(1, *(_replicas(scenario, role, REPLICAS[role]) for role in ("relay", "sweeper")))


def quiet_within_s(scenario: Scenario) -> float:
    """How long to wait for quiet once every job has ended: where alerts are judged, until their rules have
    been evaluated often enough (`SettledAlerts`) and once more, since one that must end does so a while after
    the last job, and not with it. Whoever evaluates may rest then, since a dependency was away.
    """
    if "alerts" not in scenario.expect:
        return QUIET_WITHIN_S
    default = GivenSettings.model_fields["alerts_every_s"].default
    every_s = {**SETTINGS, **scenario.settings}.get("alerts_every_s", default)
    return QUIET_WITHIN_S + RELAY_RESTS_S + (LOOKS * evaluators(scenario) + 2) * float(every_s)


def _unsafe(defences_off: tuple[str, ...]) -> dict[str, str]:
    """Switches these off, and says that it is meant."""
    if not defences_off:
        return {}
    return {"REFERENCE_DEFENCES_OFF": ",".join(defences_off), "REFERENCE_ALLOW_UNSAFE": "1"}


def _disk(scratch: Path, name: str) -> str:
    """Where a process with a small disk of its own works: the world mounts one there."""
    folder = scratch / f"disk-{name}"
    folder.mkdir(exist_ok=True)
    return str(folder)


def _memory(limit_mib: int | None, world_limits_memory: bool) -> dict[str, str]:  # noqa: FBT001  internal
    """The budget that a role is given, and the limit if it has to keep it itself; a scenario's word wins."""
    if limit_mib is None:
        return {}
    found = {"REFERENCE_MEMORY_BUDGET_BYTES": str(limit_mib * MIB)}
    return found if world_limits_memory else {**found, "REFERENCE_MEMORY_LIMIT_BYTES": str(limit_mib * MIB)}


def _places(places: Places, addresses: Addresses, port: int) -> dict[str, str]:
    """Where a process finds what is the run's, and what it reaches through its links."""
    return {
        "REFERENCE_BUCKET": places.bucket,
        "REFERENCE_JOBS_QUEUE": places.jobs_queue,
        "REFERENCE_UPLOADS_QUEUE": places.uploads_queue,
        "REFERENCE_AWS_REGION": REGION,
        "REFERENCE_INTERNAL_TOKEN": INTERNAL_TOKEN,
        "REFERENCE_API_PORT": str(port),
        "REFERENCE_DATABASE_URL": _database_url(places, addresses),
        "REFERENCE_S3_ENDPOINT": _http(addresses, "objects"),
        "REFERENCE_SQS_ENDPOINT": _http(addresses, "queue"),
        "REFERENCE_VISION_URL": _http(addresses, "vision", or_else=f"http://127.0.0.1:{port}"),
        "REFERENCE_SINK_URL": _http(addresses, "sink"),
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _http(addresses: Addresses, dependency: str, or_else: str = "http://127.0.0.1:9") -> str:
    """Its link, or an address where nobody listens: a role that never asks needs none."""
    return addresses.http(dependency) if dependency in addresses.of else or_else


def _database_url(places: Places, addresses: Addresses) -> str:
    host, port = addresses.of.get("database", (places.database_host, places.database_port))
    return f"postgresql+psycopg://postgres@{host}:{port}/{places.database}"
