"""A scenario in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.unit.scenario.catalogue_for_tests import CATALOGUE
from unstuck.describe import describe
from unstuck.scenario_file import loads

LEAST = "name: n\nsummary: s\nworkload: [upload: {count: 2}]\nexpect: {no_job_lost: {}}\n"


def sentences(text: str) -> list[str]:
    return describe(loads(text, Path("s.yaml"), CATALOGUE).base_case())


def fault(when: str, name: str = "crash_here: {}") -> str:
    return sentences(f"{LEAST}faults:\n  - when: {when}\n    {name}\n")[1]


def test_the_least_scenario_is_said_in_four_sentences() -> None:
    """Who uploads what, that nothing is done, what must hold, and what counts as stuck."""
    assert sentences(LEAST) == [
        "2 clients (job) each: announce an upload, put it, complete it (tiny.mp4).",
        "Nothing is done to the service.",
        "Must hold: no_job_lost.",
        "Stuck is what is not terminal 60 s after the last fault is healed and every role is up.",
    ]


def test_what_differs_from_the_target_is_said() -> None:
    """Settings, options of roles and guards have a sentence each; a role without options has none."""
    text = LEAST + (
        "settings: {slots: 1}\nbudget_s: $b\nmatrix: {b: [5]}\n"
        "roles: {worker: {replicas: 2, memory_limit_mib: 64, settings: {slots: 3}}, relay: {replicas: 1},"
        " api: {}}\n"
        "guards: {lease_recovery: {by: no_job_lost, case: {b: 5}}, attempt_limit: {by: no_job_lost}}\n"
    )
    said = sentences(text)
    assert said[1:4] == [
        "Every role has slots=1.",
        "Role worker has 2 processes, at most 64 MiB of memory each, slots=3.",
        "Role relay has 1 process.",
    ]
    assert said[-3:] == [
        "Stuck is what is not terminal 5 s after the last fault is healed and every role is up.",
        "With the defence lease_recovery off, no_job_lost must fail in the case b=5.",
        "With the defence attempt_limit off, no_job_lost must fail.",
    ]


def test_the_day_of_an_incident_is_said() -> None:
    """What was missing, and what has to show it."""
    before = "before: {defences_off: [lease_recovery, upload_expiry], fails: [no_job_lost, outcomes]}\n"
    assert sentences(LEAST + before)[-1] == (
        "As on the day of its incident, with lease_recovery, upload_expiry off, no_job_lost and outcomes "
        "must fail in the base case."
    )


@pytest.mark.parametrize(
    ("upload", "sentence"),
    [
        ("{count: 1}", "1 client (job): announce an upload, put it, complete it (tiny.mp4)."),
        (
            "{count: 3, start_s: 1, every_s: 0.5, steps: [initiate]}",
            "3 clients (job), from 1 s on, 0.5 s apart each: announce an upload (tiny.mp4).",
        ),
        (
            "{steps: [{initiate: {parts: 3}}, put_parts, {put_parts: {only: 1, every_s: 0.5}}]}",
            (
                "1 client (job): announce an upload of 3 parts, put all parts, put only 1 part, one every "
                "0.5 s (tiny.mp4)."
            ),
        ),
        (
            "{steps: [initiate, {wait: past_deadline}, {wait: {state: active}}, {wait: {s: 2}}]}",
            (
                "1 client (job): announce an upload, wait until its deadline is past, wait until the job is "
                "active, wait 2 s (tiny.mp4)."
            ),
        ),
        (
            "{steps: [initiate, {complete: {times: 2}}, {complete: {times: 3, together: true}}]}",
            (
                "1 client (job): announce an upload, complete it 2 times, one after another, "
                "complete it 3 times, all at once (tiny.mp4)."
            ),
        ),
        (
            "{steps: [initiate, cancel, publish_event, {publish_event: {times: 2}}]}",
            (
                "1 client (job): announce an upload, cancel the job, deliver its event once more, "
                "deliver its event 2 times more (tiny.mp4)."
            ),
        ),
    ],
)
def test_each_step_has_its_words(upload: str, sentence: str) -> None:
    """Every kind of step is said, with its parameters."""
    assert sentences(LEAST.replace("{count: 2}", upload))[0] == sentence


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("start", "before the first client begins"),
        ("{at_s: 1.5}", "1.5 s after the first client began"),
        ("{enters: queued, job: job}", "when a job tagged job enters queued"),
        (
            "{enters: active, stage: scenes, attempt: 3, hold: true, nth: 2}",
            "when any job enters stage scenes in attempt 3 (no. 2), and its process waits there",
        ),
        (
            "{point: api.complete.committed}",
            "when any job reaches api.complete.committed, and its process waits there",
        ),
        (
            "{point: worker.stage.started, stage: frames}",
            "when any job reaches worker.stage.started of stage frames, and its process waits there",
        ),
        ("{message: Send, link: relay.queue}", "at Send on relay.queue, before it goes on"),
        (
            "{message: Send, link: relay.queue, contains: j-1, on: reply}",
            "at Send with 'j-1' in it on relay.queue, before its reply goes back",
        ),
        ("{op: cancel, phase: info}", "when cancel of any job is info"),
    ],
)
def test_each_trigger_has_its_words(when: str, words: str) -> None:
    """Every kind of trigger is said, with the place where it waits."""
    assert fault(when) == f"Fault 0: {words}: crash here."


def test_a_fault_is_said_with_its_parameters_and_condition() -> None:
    """Seconds carry their unit, flags stand alone, and what is absent or false is left out."""
    text = LEAST + (
        "faults:\n"
        '  - {when: start, while: {active_jobs: ">=1"}, rolling_replace: {role: worker, overlap: true}}\n'
        "  - {when: {fault: 0}, times: each, pause: {role: worker, for_s: 2}}\n"
        "  - {when: {fault: 1, phase: landed}, exotic: {roles: [api, worker]}}\n"
    )
    assert sentences(text)[1:4] == [
        (
            "Fault 0: before the first client begins: rolling replace (role worker, grace 10 s, overlap). "
            "This counts only if active jobs >= 1 at that moment."
        ),
        "Fault 1: when fault 0 is healed, each time: pause (role worker, for 2 s, which holder).",
        "Fault 2: when fault 1 has landed: exotic (roles api worker, size 1).",
    ]


def test_a_fault_may_speak_for_itself() -> None:
    """Parameters with a `sentence()` are said in their own words."""

    @dataclass(frozen=True)
    class Speaking:
        def sentence(self) -> str:
            return "replace the workers one by one"

    text = LEAST + "faults: [{when: start, notifications_off: }]\n"
    scenario = loads(text, Path("s.yaml"), CATALOGUE).base_case()
    spoken = replace(scenario, faults=(replace(scenario.faults[0], parameters=Speaking()),))
    assert describe(spoken)[1] == "Fault 0: before the first client begins: replace the workers one by one."


def test_expectations_are_said_with_their_demands() -> None:
    """Nested demands stand in brackets, seconds carry their unit."""
    text = LEAST.replace(
        "no_job_lost: {}",
        "every_job_terminal: {within_s: 5}, effects: exactly_once, "
        "outcomes: {job: {exactly: 2, state: failed}}",
    )
    assert [line for line in sentences(text) if line.startswith("Must")] == [
        "Must hold: every_job_terminal (within 5 s).",
        "Must hold: effects (mode exactly_once).",
        "Must hold: outcomes (job [exactly 2, state failed]).",
    ]


def test_values_keep_yamls_words() -> None:
    """A setting that is false or a float is said as YAML writes it."""
    text = LEAST + "settings: {upload_idle_s: 1.5, bucket: b}\n"
    assert sentences(text)[1] == "Every role has upload_idle_s=1.5, bucket=b."
    guarded = LEAST + (
        "budget_s: $b\nmatrix: {b: [1], o: [false]}\n"
        "faults:\n  - {when: start, rolling_replace: {role: api, overlap: $o}}\n"
        "guards: {lease_recovery: {by: no_job_lost, case: {o: false}}}\n"
    )
    assert sentences(guarded)[-1].endswith("in the case o=false.")
