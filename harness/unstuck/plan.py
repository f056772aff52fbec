"""What a run will do, worked out before anything starts: pure, printable, same seed, same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from unstuck.scenario import UNIT_DONE, Fault, OnMessage, OnPoint, OnState, Scenario, Step, Trigger

STAGE_STARTED = "worker.stage.started"
CLAIM_COMMITTED = "worker.claim.committed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPlan:
    """One client and its one job. `start_s` counts from the moment when the first client may begin."""

    name: str  # "c-01", in order of starting
    tag: str
    video: str
    start_s: float
    steps: tuple[Step, ...]
    tenant: str = ""  # empty: the run's own
    patience_s: float | None = None  # once refused so long, it gives up; None: it comes again as it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRule:
    """Fault `fault` strikes where a job (a tag, or `any`) reaches `point` for the `nth` time."""

    fault: int
    point: str
    job: str
    stage: str | None  # None: any
    attempt: int | None  # None: any
    nth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRule:
    """Fault `fault` strikes at the nth message with this label on these links (both globs), or at the first
    few."""

    fault: int
    link: str
    message: str
    contains: str | None
    nth: int
    on: Literal["request", "reply"]
    first: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run. `watch` names the test points at which processes report and wait."""

    title: str
    seed: int
    clients: tuple[ClientPlan, ...]
    faults: tuple[Fault, ...]  # a fault's number is its place here, from 0
    points: tuple[PointRule, ...]
    links: tuple[LinkRule, ...]
    watch: tuple[str, ...]
    needs: tuple[str, ...]  # capabilities that world and target must have between them, sorted
    clocks: tuple[str, ...] = ()  # roles of which each process starts with a wall clock of its own, sorted

    def to_json(self) -> str:
        """The same bytes for the same scenario and seed, in every process."""
        return json.dumps(_plain(self), indent=2, ensure_ascii=False) + "\n"


def make_plan(scenario: Scenario, seed: int, needs: Mapping[str, frozenset[str]] | None = None) -> Plan:
    """Works out a run. `needs` maps each fault's name to the capabilities that it asks for; what triggers
    and limits ask for (`links`, `points`, `memory_limit`) is added.

    Nothing in a plan is random today; what ever is comes from `rng.split(seed, …)`. Raises `KeyError` when
    `needs` is given and lacks a fault of the scenario: that is a mistake of the caller.
    """
    points = tuple(rule for i, fault in enumerate(scenario.faults) if (rule := _point_rule(i, fault)))
    return Plan(
        title=scenario.title,
        seed=seed,
        clients=_clients(scenario),
        faults=scenario.faults,
        points=points,
        links=tuple(
            LinkRule(
                fault=index,
                link=fault.when.link,
                message=fault.when.message,
                contains=fault.when.contains,
                nth=fault.when.nth,
                on=fault.when.on,
                first=fault.when.first,
            )
            for index, fault in enumerate(scenario.faults)
            if isinstance(fault.when, OnMessage)
        ),
        watch=tuple(sorted({rule.point for rule in points} | _watched_by_checks(scenario))),
        needs=tuple(sorted(_needs(scenario, needs))),
        clocks=tuple(sorted({fault.parameters.role for fault in scenario.faults if fault.name == "clock"})),
    )


def _watched_by_checks(scenario: Scenario) -> set[str]:
    """Test points that are looked at although nothing strikes there: work is counted unit by unit."""
    return {UNIT_DONE} if "rework_within" in scenario.expect else set()


def place_of(when: Trigger) -> OnPoint | None:
    """The test point where a trigger strikes; None when it does not strike at one."""
    if isinstance(when, OnPoint):
        return when
    if isinstance(when, OnState) and when.hold:
        point = CLAIM_COMMITTED if when.stage is None else STAGE_STARTED
        return OnPoint(point=point, job=when.job, stage=when.stage, attempt=when.attempt, nth=when.nth)
    return None


def _point_rule(index: int, fault: Fault) -> PointRule | None:
    place = place_of(fault.when)
    if place is None:
        return None
    return PointRule(
        fault=index,
        point=place.point,
        job=place.job,
        stage=place.stage,
        attempt=place.attempt,
        nth=place.nth,
    )


def _needs(scenario: Scenario, by_fault: Mapping[str, frozenset[str]] | None) -> set[str]:
    needs = set[str]()
    for fault in scenario.faults:
        if by_fault is not None:
            needs |= by_fault[fault.name]
        if isinstance(fault.when, OnMessage):
            needs.add("links")
        elif place_of(fault.when) is not None:
            needs.add("points")
    if any(options.memory_limit_mib is not None for options in scenario.roles.values()):
        needs.add("memory_limit")
    if any(options.disk_limit_mib is not None for options in scenario.roles.values()):
        needs.add("disk_limit")
    if any(options.descriptors_max is not None for options in scenario.roles.values()):
        needs.add("descriptor_limit")
    if any(options.liveness for options in scenario.roles.values()):
        needs.add("liveness")
    versions = [options.version for options in scenario.roles.values()]
    versions += [getattr(fault.parameters, "version", None) for fault in scenario.faults]
    if any(version is not None for version in versions):
        needs.add("versions")
    return needs


def _clients(scenario: Scenario) -> tuple[ClientPlan, ...]:
    starts = [
        # Rounded to a nanosecond: 3 * 0.02 must not print as 0.06000000000000001.
        (round(upload.start_s + number * upload.every_s, 9), upload)
        for upload in scenario.workload
        for number in range(upload.count)
    ]
    starts.sort(key=lambda start: start[0])  # stable: at the same moment, the order of the file
    width = max(2, len(str(len(starts))))
    return tuple(
        ClientPlan(
            name=f"c-{number:0{width}}",
            tag=upload.tag,
            video=upload.video,
            start_s=start_s,
            steps=upload.steps,
            tenant=upload.tenant,
            patience_s=upload.patience_s,
        )
        for number, (start_s, upload) in enumerate(starts, 1)
    )


def _plain(value: Any) -> Any:
    """Data for JSON. One of several classes is told by its name: `{"on_state": {"state": …}}`."""
    if is_dataclass(value) and not isinstance(value, type):
        content = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        if type(value).__module__ == Scenario.__module__:
            return {_snake(type(value).__name__): content}
        return content
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
