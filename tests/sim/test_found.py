"""Scenarios that generated ones were made smaller to: each found something that was then mended."""

from __future__ import annotations

from pathlib import Path

from tests.sim.conftest import Simulated
from unstuck.checks.port import Verdict
from unstuck.scenario import Scenario
from unstuck.scenario_file import loads
from unstuck.targets.reference import catalogue

VISION_AWAY = """
name: vision-away
summary: The vision API is replaced while jobs need it. They wait for it, and lose no attempt over that.
settings: {upload_deadline_s: 3}
workload:
  - upload: {count: 3}
faults:
  - when: {enters: active, stage: inspect}
    down: {role: vision, for_s: 2.5}
expect:
  every_job_terminal: {within_s: 20}
  drains_cleanly: {}
  outcomes: {job: {exactly: 3, state: succeeded}}
"""
TAKEN_AWAY_WHILE_REPLACED = """
name: taken-away-while-replaced
summary: A role is taken away while its successor starts. That is nobody's failure, and proves nothing.
settings: {upload_deadline_s: 3}
workload:
  - upload: {count: 1, tag: tardy, steps: [initiate, {wait: past_deadline}, put]}
faults:
  - when: {op: initiate_upload}
    rolling_replace: {role: api, grace_s: 5, overlap: true}
  - when: {fault: 0, phase: fired}
    down: {role: api, for_s: 1, grace_s: 0}
expect:
  every_job_terminal: {within_s: 20}
"""


def scenario(text: str) -> Scenario:
    return loads(text, Path("found.yaml"), catalogue()).base_case()


def test_a_vision_api_that_is_away_for_a_while_costs_no_job(run: Simulated) -> None:
    """Its process ends with 0 when it is told to, and the jobs that need it wait for the next one."""
    verdict, _ = run(scenario(VISION_AWAY), 1)
    assert (verdict.verdict, verdict.reasons) == (Verdict.PASS, ())


def test_a_successor_that_another_fault_takes_away_is_no_error_of_the_harness(run: Simulated) -> None:
    """The replacement has missed, which makes the run inconclusive, and says by whom."""
    # In which order the blows come is a matter of the seed.
    verdicts = [run(scenario(TAKEN_AWAY_WHILE_REPLACED), seed)[0] for seed in range(1, 7)]
    assert {verdict.verdict for verdict in verdicts} == {Verdict.INCONCLUSIVE}
    assert {verdict.harness_errors for verdict in verdicts} == {()}
    why = [" ".join(verdict.reasons) for verdict in verdicts]
    assert any("api-2 was hit by another fault before it was ready" in one for one in why)


CANCELLED_WHILE_PUBLISHED = """
name: cancelled-while-published
summary: Clients change their mind while the downstream system hears of their result. It is too late by then.
workload:
  - upload:
      count: 4
      steps: [initiate, put, complete, {wait: {state: active}}, {wait: {s: 0.505}}, cancel]
expect:
  every_job_terminal: {within_s: 20}
  effects: exactly_once
"""


def test_a_job_that_is_cancelled_has_had_no_effect(run: Simulated) -> None:
    """Whenever its client changes its mind: a job succeeds with its effect, or is cancelled without."""
    verdict, _ = run(scenario(CANCELLED_WHILE_PUBLISHED), 1)
    assert (verdict.verdict, verdict.reasons) == (Verdict.PASS, ())
