"""A plan: what a run will do, worked out before anything starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.unit.scenario.catalogue_for_tests import CATALOGUE
from unstuck.plan import LinkRule, Plan, PointRule, make_plan
from unstuck.scenario import Complete, Initiate, Put
from unstuck.scenario_file import loads

TEXT = """
name: n
summary: s
roles: {worker: {memory_limit_mib: 512}}
workload:
  - upload: {count: 3, every_s: 0.02, start_s: 0.01}
  - upload:
      tag: balloon
      video: short.mp4
      steps: [{initiate: {parts: 2}}, put_parts, {wait: {s: 1}}]
faults:
  - when: {enters: active, stage: scenes, hold: true, job: balloon, attempt: 2}
    while: {active_jobs: ">=1"}
    kill: {role: worker}
  - when: {enters: active, hold: true, nth: 2}
    crash_here: {}
  - when: {point: api.complete.committed, attempt: 1}
    crash_here: {}
  - when: {message: SendMessage, link: relay.queue, contains: j, nth: 3, on: reply}
    swallow: {}
  - when: {enters: active}
    pause: {role: worker, for_s: 1}
  - when: {fault: 4}
    times: each
    exotic: {roles: [api], range: {low: 1, high: 2}}
expect: {no_job_lost: {}}
"""
NEEDS = {
    "kill": frozenset({"processes", "signals"}),
    "crash_here": frozenset({"points"}),
    "swallow": frozenset({"links"}),
    "pause": frozenset({"signals"}),
    "exotic": frozenset[str](),
}


def plan_of(text: str, seed: int = 7) -> Plan:
    return make_plan(loads(text, Path("s.yaml"), CATALOGUE).base_case(), seed, NEEDS)


def test_clients_are_named_in_the_order_in_which_they_start() -> None:
    """One client a job; its offset is that of its upload, without the noise of floats."""
    clients = plan_of(TEXT).clients
    assert [(c.name, c.tag, c.video, c.start_s) for c in clients] == [
        ("c-01", "balloon", "short.mp4", 0.0),
        ("c-02", "job", "tiny.mp4", 0.01),
        ("c-03", "job", "tiny.mp4", 0.03),
        ("c-04", "job", "tiny.mp4", 0.05),
    ]
    assert clients[1].steps == (Initiate(), Put(), Complete())


def test_clients_that_start_together_keep_the_order_of_the_file() -> None:
    """A tie is not left to chance, and names sort even with many clients."""
    text = TEXT.replace("count: 3, every_s: 0.02, start_s: 0.01", "count: 150")
    clients = plan_of(text).clients
    assert [client.tag for client in clients] == ["job"] * 150 + ["balloon"]
    assert (clients[0].name, clients[-1].name) == ("c-001", "c-151")


def test_triggers_become_points_and_link_rules() -> None:
    """A held state is a test point: with a stage the stage's start, without one the claim's commit."""
    plan = plan_of(TEXT)
    assert plan.points == (
        PointRule(fault=0, point="worker.stage.started", job="balloon", stage="scenes", attempt=2, nth=1),
        PointRule(fault=1, point="worker.claim.committed", job="any", stage=None, attempt=None, nth=2),
        PointRule(fault=2, point="api.complete.committed", job="any", stage=None, attempt=1, nth=1),
    )
    assert plan.watch == ("api.complete.committed", "worker.claim.committed", "worker.stage.started")
    assert plan.links == (
        LinkRule(fault=3, link="relay.queue", message="SendMessage", contains="j", nth=3, on="reply"),
    )
    assert [fault.name for fault in plan.faults] == [
        "kill", "crash_here", "crash_here", "swallow", "pause", "exotic",
    ]  # fmt: skip


def test_a_plan_says_which_capabilities_it_needs() -> None:
    """What faults ask for, and what points, link rules and memory limits ask for by themselves."""
    assert plan_of(TEXT).needs == ("links", "memory_limit", "points", "processes", "signals")
    scenario = loads(TEXT, Path("s.yaml"), CATALOGUE).base_case()
    assert make_plan(scenario, 7).needs == ("links", "memory_limit", "points")


def test_a_plan_without_faults_needs_nothing() -> None:
    """Nothing is watched, ruled or asked for when nothing is done."""
    head, _, rest = TEXT.replace("roles: {worker: {memory_limit_mib: 512}}\n", "").partition("faults:")
    plan = plan_of(head + rest[rest.index("expect:") :])
    assert (plan.faults, plan.points, plan.links, plan.watch, plan.needs) == ((), (), (), (), ())


def test_a_fault_that_nobody_knows_is_a_mistake_of_the_caller() -> None:
    """The capabilities of every fault are given, or of none."""
    scenario = loads(TEXT, Path("s.yaml"), CATALOGUE).base_case()
    with pytest.raises(KeyError, match="exotic"):
        make_plan(scenario, 7, {name: needs for name, needs in NEEDS.items() if name != "exotic"})


def test_a_plan_prints_as_json() -> None:
    """Kinds of steps and triggers are told by their names; parameters are plain."""
    data = json.loads(plan_of(TEXT).to_json())
    assert data["seed"] == 7
    assert data["clients"][0]["steps"] == [
        {"initiate": {"parts": 2}},
        {"put_parts": {"only": None, "every_s": 0.0}},
        {"wait": {"state": None, "past_deadline": False, "seconds": 1.0}},
    ]
    fault = data["faults"][5]["fault"]
    assert fault["when"] == {"on_fault": {"fault": 4, "phase": "healed"}}
    assert fault["parameters"] == {"roles": ["api"], "range": {"low": 1, "high": 2}, "size": 1}


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    """Neither PYTHONHASHSEED nor the process has a say in a plan; the seed does."""
    program = "from tests.unit.plan.test_plan import TEXT, plan_of; print(plan_of(TEXT).to_json(), end='')"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert outputs == {plan_of(TEXT).to_json().encode()}
    assert plan_of(TEXT, seed=8).to_json() != plan_of(TEXT).to_json()


def test_mappings_in_parameters_print_too() -> None:
    """What a fault keeps in a mapping is printed as a mapping."""

    @dataclass(frozen=True)
    class Keeping:
        values: Mapping[str, tuple[int, ...]]

    scenario = loads(TEXT, Path("s.yaml"), CATALOGUE).base_case()
    fault = replace(scenario.faults[0], parameters=Keeping(values={"a": (1, 2)}))
    data = json.loads(make_plan(replace(scenario, faults=(fault,)), 7).to_json())
    assert data["faults"][0]["fault"]["parameters"] == {"values": {"a": [1, 2]}}
