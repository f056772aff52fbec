"""Loading scenario files: what each part of a file becomes."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.scenario.catalogue_for_tests import CATALOGUE, Exotic, Kill, Nothing, Range, RollingReplace
from unstuck.catalogue import Catalogue
from unstuck.errors import ScenarioError
from unstuck.scenario import (
    Before,
    Cancel,
    Complete,
    Condition,
    Guard,
    Initiate,
    OnFault,
    OnMessage,
    OnOp,
    OnPoint,
    OnStart,
    OnState,
    OnTime,
    PublishEvent,
    Put,
    PutParts,
    RoleOptions,
    Trigger,
    Upload,
    Wait,
)
from unstuck.scenario_file import ScenarioFile, load, loads
from unstuck.targets.reference.names import catalogue

SHIPPED = sorted(Path(__file__).parents[3].joinpath("scenarios").glob("*.yaml"))
LEAST = "name: n\nsummary: s\nworkload: [upload: {count: 2}]\nexpect: {no_job_lost: {}}\n"


def read(text: str) -> ScenarioFile:
    return loads(text, Path("s.yaml"), CATALOGUE)


def when(text: str) -> Trigger:
    return read(f"{LEAST}faults:\n  - when: {text}\n    crash_here: {{}}\n").base_case().faults[0].when


def test_the_least_file_takes_every_default() -> None:
    """Name, summary, workload and expectations make a scenario; the rest has its defaults."""
    scenario = read(LEAST).base_case()
    assert (scenario.name, scenario.summary, scenario.title) == ("n", "s", "n")
    assert scenario.workload == (Upload(count=2),)
    assert scenario.workload[0].steps == (Initiate(), Put(), Complete())
    assert scenario.faults == ()
    assert scenario.expect == {"no_job_lost": {}}
    assert (scenario.budget_s, scenario.promise, scenario.incident) == (60.0, "effectively_once", None)
    assert (scenario.guards, scenario.settings, scenario.roles, scenario.case) == ((), {}, {}, {})
    assert (scenario.source, scenario.text) == (Path("s.yaml"), LEAST)


def test_a_file_and_its_text_load_alike(tmp_path: Path) -> None:
    """`load` reads what `loads` is given."""
    path = tmp_path / "s.yaml"
    path.write_text(LEAST, encoding="utf-8")
    assert load(path, CATALOGUE) == loads(LEAST, path, CATALOGUE)


def test_a_scenario_is_frozen_and_travels() -> None:
    """Nothing of a scenario is assigned to after loading, and it survives copying and pickling."""
    scenario = read(LEAST).base_case()
    with pytest.raises(FrozenInstanceError):
        scenario.name = "other"  # type: ignore[misc]  # that is the point
    assert copy.deepcopy(scenario) == pickle.loads(pickle.dumps(scenario)) == scenario


def test_the_head_of_a_file() -> None:
    """Promise, budget, incident, settings and roles become what they say; a folded summary is one line."""
    scenario = read(
        """
name: n
summary: >
  Two
  lines.
incident: upload-fix
promise: at_least_once
budget_s: 5
settings: {upload_deadline_s: 2, bucket: b}
roles:
  worker: {replicas: 3, memory_limit_mib: 512, settings: {slots: 1}}
  api: {}
workload: [upload: {}]
expect: {no_job_lost: }
"""
    ).base_case()
    assert scenario.summary == "Two lines."
    assert (scenario.incident, scenario.promise, scenario.budget_s) == ("upload-fix", "at_least_once", 5.0)
    assert scenario.settings == {"upload_deadline_s": 2.0, "bucket": "b"}
    assert scenario.roles == {
        "worker": RoleOptions(replicas=3, memory_limit_mib=512, settings={"slots": 1}),
        "api": RoleOptions(),
    }


def test_the_steps_of_a_client() -> None:
    """Each step is a bare word, or a word with its parameters."""
    text = LEAST.replace(
        "{count: 2}",
        "{steps: [{initiate: {parts: 3}}, {put_parts: {only: 1, every_s: 0.5}}, put_parts, "
        "{wait: past_deadline}, {wait: {state: active}}, {wait: {s: 1}}, {complete: {times: 2, "
        "together: true}}, cancel, {publish_event: {times: 2}}]}",
    )
    assert read(text).base_case().workload[0].steps == (
        Initiate(parts=3),
        PutParts(only=1, every_s=0.5),
        PutParts(),
        Wait(past_deadline=True),
        Wait(state="active"),
        Wait(seconds=1.0),
        Complete(times=2, together=True),
        Cancel(),
        PublishEvent(times=2),
    )


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        ("start", OnStart()),
        ("{at_s: 2}", OnTime(at_s=2.0)),
        ("{enters: failed}", OnState(state="failed")),
        (
            "{job: any, enters: active, stage: scenes, nth: 2, hold: true}",
            OnState(state="active", stage="scenes", nth=2, hold=True),
        ),
        (
            "{point: worker.stage.started, job: job, stage: frames}",
            OnPoint(point="worker.stage.started", job="job", stage="frames"),
        ),
        (
            "{message: 'Send*', link: 'relay.*', contains: j-1, nth: 3, on: reply}",
            OnMessage(message="Send*", link="relay.*", contains="j-1", nth=3, on="reply"),
        ),
        ("{message: m, link: relay.queue, first: 2}", OnMessage(message="m", link="relay.queue", first=2)),
        ("{op: complete_upload, phase: info}", OnOp(op="complete_upload", phase="info")),
    ],
)
def test_each_kind_of_trigger(text: str, trigger: Trigger) -> None:
    """The key that tells the kind decides which trigger it is."""
    assert when(text) == trigger


def test_a_fault_with_everything() -> None:
    """Name, parameters, trigger, condition, times and line of a fault; a bare name has no parameters."""
    first, second = (
        read(
            LEAST
            + "faults:\n"
            + "  - when: {enters: active}\n"
            + '    while: {active_jobs: ">= 1"}\n'
            + "    times: each\n"
            + "    kill: {role: worker, signal: SIGTERM, scope: child}\n"
            + "  - notifications_off:\n"
            + "    when: {fault: 0, phase: landed}\n"
        )
        .base_case()
        .faults
    )
    assert first.parameters == Kill(role="worker", signal="SIGTERM", scope="child")
    assert first.condition == Condition(subject="active_jobs", comparison=">=", number=1)
    assert (first.name, first.times, first.line) == ("kill", "each", 6)
    assert second.when == OnFault(fault=0, phase="landed")
    assert (second.name, second.parameters, second.times) == ("notifications_off", Nothing(), "once")


def test_parameters_of_every_shape() -> None:
    """Lists, nested dataclasses, unions and null are built by the types of the fields."""
    text = LEAST + "faults: [{when: start, exotic: {roles: [api], range: {low: 1, high: 2}, size: big}}]\n"
    assert read(text).base_case().faults[0].parameters == Exotic(
        roles=("api",), range=Range(low=1, high=2), size="big"
    )
    text = LEAST + "faults: [{when: start, rolling_replace: {role: api, version: null}}]\n"
    assert read(text).base_case().faults[0].parameters == RollingReplace(role="api")


def test_a_type_that_no_scenario_can_write_is_a_mistake_of_the_fault() -> None:
    """A fault whose parameters cannot come from a file is a bug of ours, and not an error of the user."""

    @dataclass(frozen=True, kw_only=True)
    class Strange:
        value: bytes

    names = Catalogue(
        faults={"strange": Strange},
        properties={"no_job_lost": {}},
        roles=frozenset(),
        stages=(),
        points=frozenset(),
        links=frozenset(),
        videos=frozenset({"tiny.mp4"}),
        defences=frozenset(),
    )
    with pytest.raises(TypeError, match="field 'value' has type <class 'bytes'>"):
        loads(LEAST + "faults: [{when: start, strange: {value: x}}]\n", Path("s.yaml"), names)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("effects: exactly_once", {"mode": "exactly_once"}),
        ("effects: {mode: at_least_once}", {"mode": "at_least_once"}),
        ("effects:", {}),
        ("every_job_terminal: 5", {"within_s": 5}),
        ("outcomes: {job: {exactly: 2, state: failed}, expired: {at_most: 0}}", None),
        ("visits: {stages: [frames, scenes], most: {deep: [{stage: frames}]}}", None),
        ("visits: {most: 3}", {"most": 3}),
        ("memory_within: {role: worker, below: 0.9}", {"role": "worker", "below": 0.9}),
    ],
)
def test_what_is_expected_keeps_its_shape(text: str, parameters: dict[str, Any] | None) -> None:
    """Parameters are plain data; a single value is `mode`, or the only parameter that a property has."""
    name = text.split(":", maxsplit=1)[0]
    found = read(LEAST.replace("no_job_lost: {}", text)).base_case().expect[name]
    if parameters is None:
        assert f"{name}: {found}".replace("'", "") == text
    else:
        assert found == parameters


def test_guards_name_defence_property_and_case() -> None:
    """A guard without a case is held in the base case."""
    text = LEAST + (
        "budget_s: $b\nmatrix: {b: [1, 2]}\n"
        "guards:\n  lease_recovery: {by: no_job_lost, case: {b: 2}}\n  upload_expiry: {by: outcomes}\n"
    )
    assert read(text).base_case().guards == (
        Guard(defence="lease_recovery", by="no_job_lost", case={"b": 2}),
        Guard(defence="upload_expiry", by="outcomes", case={}),
    )


def test_before_names_what_was_missing_and_what_it_broke() -> None:
    """It is the same for every case of the file; what happened is told in one line."""
    text = LEAST + (
        "before:\n  happened: Two\n    lines.\n"
        "  defences_off: [lease_recovery, upload_expiry]\n  fails: [no_job_lost]\n"
    )
    assert read(text).base_case().before == Before(
        defences_off=("lease_recovery", "upload_expiry"), fails=("no_job_lost",), happened="Two lines."
    )
    assert read(LEAST).base_case().before is None


VARIED = """
name: n
summary: s
workload: [upload: {count: 2}]
settings: {slots: 1, bucket: b}
roles:
  worker: {replicas: 1, settings: {slots: $slots}}
expect:
  no_job_lost: {}
  every_job_terminal: {within_s: 5}
alternatives:
  plain: {}
  other:
    workload: [upload: {count: 1, tag: other}]
    settings: {slots: 3}
    roles: {worker: {memory_limit_mib: 64}, api: {replicas: 2}}
    expect: {every_job_terminal: {within_s: 9}, outcomes: {other: {exactly: 1}}}
  quick: {budget_s: $budget}
matrix:
  slots: [2, 4]
  budget: [1, 2]
adjust:
  - {case: {slots: 4}, expect: {no_job_lost: null, effects: exactly_once}}
  - {case: {alternative: other, slots: 4}, expect: {effects: at_most_once}}
"""


def test_an_alternative_replaces_the_workload_and_merges_the_rest() -> None:
    """Settings, expectations and options of a role that an alternative does not name stay the file's."""
    scenario = read(VARIED).case({"alternative": "other"})
    assert scenario.workload == (Upload(count=1, tag="other"),)
    assert scenario.settings == {"slots": 3, "bucket": "b"}
    assert scenario.roles == {
        "worker": RoleOptions(replicas=1, memory_limit_mib=64, settings={"slots": 2}),
        "api": RoleOptions(replicas=2),
    }
    assert scenario.expect == {
        "no_job_lost": {},
        "every_job_terminal": {"within_s": 9},
        "outcomes": {"other": {"exactly": 1}},
    }


def test_a_case_fills_in_its_values() -> None:
    """Each `$name` is the value of the case, and a case has only the parameters that it mentions."""
    file = read(VARIED)
    assert [scenario.title for scenario in file.all_cases()] == [
        "n[alternative=plain,slots=2]",
        "n[alternative=plain,slots=4]",
        "n[alternative=other,slots=2]",
        "n[alternative=other,slots=4]",
        "n[alternative=quick,slots=2,budget=1]",
        "n[alternative=quick,slots=2,budget=2]",
        "n[alternative=quick,slots=4,budget=1]",
        "n[alternative=quick,slots=4,budget=2]",
    ]
    assert file.case({"alternative": "quick", "budget": 2}).budget_s == 2.0
    assert file.case({"slots": 4}).roles["worker"].settings == {"slots": 4}
    assert file.base_case() is file.case() is file.all_cases()[0]


def test_an_adjustment_changes_what_its_cases_expect() -> None:
    """Adjustments are merged in their order into the cases that they match, and into no other."""
    file = read(VARIED)
    assert "effects" not in file.case({"slots": 2}).expect
    assert file.case({"slots": 4}).expect["effects"] == {"mode": "exactly_once"}
    assert file.case({"alternative": "other", "slots": 4}).expect["effects"] == {"mode": "at_most_once"}


def test_an_adjustment_can_hold_the_only_use_of_a_parameter() -> None:
    """A `$name` in an adjustment counts for the alternatives to which that adjustment applies."""
    text = LEAST + (
        "alternatives: {a: {}, b: {budget_s: 3}}\nmatrix: {t: [1, 2]}\n"
        "adjust:\n  - {case: {alternative: b}, expect: {every_job_terminal: {within_s: $t}}}\n"
    )
    assert [dict(scenario.case) for scenario in read(text).all_cases()] == [
        {"alternative": "a"},
        {"alternative": "b", "t": 1},
        {"alternative": "b", "t": 2},
    ]
    assert read(text).case({"t": 2}).expect["every_job_terminal"] == {"within_s": 2}


def test_the_pairwise_cases_are_cases_of_the_file() -> None:
    """Each is one of the product, and the base comes first."""
    file = read(VARIED)
    chosen = file.pairwise_cases()
    assert chosen[0] is file.base_case()
    assert all(scenario in file.all_cases() for scenario in chosen)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"slot": 2}, "s.yaml:1: case 'slot' is not a parameter of this scenario. Did you mean 'slots'?"),
        ({"slots": 3}, "s.yaml:1: case slots=3 is not one of its values. Known: 2, 4."),
        (
            {"alternative": "plain", "budget": 1},
            "s.yaml:1: case no case has alternative=plain, budget=1 together.",
        ),
    ],
)
def test_a_case_that_is_not_there_is_refused(selection: dict[str, object], message: str) -> None:
    """Choosing a case names what is unknown about it."""
    with pytest.raises(ScenarioError) as caught:
        read(VARIED).case(selection)
    assert str(caught.value) == message


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_scenarios_load(path: Path) -> None:
    """Every shipped file is valid for the reference target and named like its file."""
    file = load(path, catalogue())
    assert file.name == path.stem


def test_at_least_the_first_three_scenarios_are_shipped() -> None:
    """The test above has something to load."""
    assert {path.stem for path in SHIPPED} >= {"memory-overrun", "sigterm-mid-job", "upload-never-completed"}
