"""Each mistake in a scenario file is refused with one line that says where, what, and what to do."""

# ruff: noqa: E501  expected texts stand on one line each, as users read them; so the tables are not formatted

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.scenario.catalogue_for_tests import CATALOGUE
from unstuck.errors import ExitCode, ScenarioError
from unstuck.scenario_file import loads

HEAD = "name: n\nsummary: s\n"
WORK = "workload: [upload: {count: 2}]\n"
EXPECT = "expect: {no_job_lost: {}}\n"


def fault(text: str) -> str:
    return HEAD + WORK + EXPECT + "faults:\n  - " + text + "\n"


def when(text: str) -> str:
    return fault("when: " + text + "\n    kill: {role: worker}")


def upload(text: str) -> str:
    return HEAD + "workload:\n  - upload: " + text + "\n" + EXPECT


def expect(text: str) -> str:
    return HEAD + WORK + "expect:\n  " + text + "\n"


def refusal(text: str) -> str:
    """The message, when `text` is refused as it should be."""
    with pytest.raises(ScenarioError) as caught:
        loads(text, Path("s.yaml"), CATALOGUE)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


def test_the_frame_of_these_texts_is_valid() -> None:
    """What the cases below vary is a valid scenario, so each is refused for its own mistake."""
    for text in (when("start"), upload("{count: 1}"), expect("no_job_lost: {}")):
        assert loads(text, Path("s.yaml"), CATALOGUE).base_case().name == "n"


# fmt: off
@pytest.mark.parametrize(("text", "message"), [
    pytest.param(HEAD + WORK + EXPECT + "fault: []\n", "s.yaml:5: 'fault' is not a key here. Did you mean 'faults'?", id="unknown_key"),
    pytest.param(HEAD + WORK + EXPECT + "cases: {}\n", "s.yaml:5: 'cases' is not a key: the grid of parameters is called `matrix`. Rename it.", id="cases_key"),
    pytest.param("name: Big One\nsummary: s\n" + WORK + EXPECT, "s.yaml:1: name='Big One' is not a name. Write small letters, digits, - and _, 80 at most.", id="name"),
    pytest.param("name: 3\nsummary: s\n" + WORK + EXPECT, "s.yaml:1: name=3 is not a name. Write small letters, digits, - and _, 80 at most.", id="name_num"),
    pytest.param("summary: s\n" + WORK + EXPECT, "s.yaml:1: 'name' is missing. Add it at the top.", id="no_name"),
    pytest.param("name: n\n" + WORK + EXPECT, "s.yaml:1: 'summary' is missing. Add it at the top.", id="no_summary"),
    pytest.param("name: n\nsummary: ''\n" + WORK + EXPECT, "s.yaml:2: summary='' is empty. Say in one sentence what happens and what must hold.", id="summary_empty"),
    pytest.param("name: n\nsummary: 3\n" + WORK + EXPECT, "s.yaml:2: summary=3 is a whole number. Write a text.", id="summary_num"),
    pytest.param(HEAD + EXPECT, "s.yaml:1: 'workload' is missing. Add it.", id="no_workload"),
    pytest.param(HEAD + WORK, "s.yaml:1: 'expect' is missing. Add it.", id="no_expect"),
    pytest.param(HEAD + WORK + EXPECT + "promise: exactly_once\n", "s.yaml:5: promise='exactly_once' is not allowed here. Did you mean 'effectively_once'?", id="promise"),
    pytest.param(HEAD + WORK + EXPECT + "budget_s: 0\n", "s.yaml:5: budget_s=0 is out of range. Take a number from 0.1 to 86400.", id="budget"),
    pytest.param(HEAD + WORK + EXPECT + "budget_s: long\n", "s.yaml:5: budget_s='long' is a text. Write a number.", id="budget_t"),
    pytest.param(HEAD + WORK + EXPECT + "incident: A b\n", "s.yaml:5: incident='A b' is not a name. Write small letters, digits, - and _, 80 at most.", id="incident"),
])
def test_a_mistake_in_the_head_is_refused(text: str, message: str) -> None:
    """A missing, unknown or malformed key at the top is refused, with a near name where there is one."""
    assert refusal(text) == message


@pytest.mark.parametrize(("text", "message"), [
    pytest.param(upload("{count: 0}"), "s.yaml:4: workload[0].upload.count=0 is out of range. Take a number from 1 to 10000.", id="count0"),
    pytest.param(upload("{count: 10001}"), "s.yaml:4: workload[0].upload.count=10001 is out of range. Take a number from 1 to 10000.", id="count_many"),
    pytest.param(upload("{count: 6000}\n  - upload: {count: 6000}"), "s.yaml:3: workload has 12000 clients. Take 10000 at most.", id="count_total"),
    pytest.param(upload("{count: two}"), "s.yaml:4: workload[0].upload.count='two' is a text. Write a whole number.", id="count_text"),
    pytest.param(upload("{count: }"), "s.yaml:4: workload[0].upload.count=null is null. Write a whole number.", id="count_null"),
    pytest.param(upload("{video: tinny.mp4}"), "s.yaml:4: workload[0].upload.video='tinny.mp4' is not a video. Did you mean 'tiny.mp4'?", id="video"),
    pytest.param(upload("{tag: Big}"), "s.yaml:4: workload[0].upload.tag='Big' is not a tag. Write a word of small letters, digits, - and _.", id="tag"),
    pytest.param(upload("{tag: 7}"), "s.yaml:4: workload[0].upload.tag=7 is not a tag. Write a word of small letters, digits, - and _.", id="tag_num"),
    pytest.param(upload("{tag: failed}"), "s.yaml:4: workload[0].upload.tag='failed' means something else already. Take another word.", id="tag_state"),
    pytest.param(upload("{tag: any}"), "s.yaml:4: workload[0].upload.tag='any' means something else already. Take another word.", id="tag_any"),
    pytest.param(upload("{every_s: -0.1}"), "s.yaml:4: workload[0].upload.every_s=-0.1 is out of range. Take a number from 0 to 86400.", id="every"),
    pytest.param(upload("{every_s: 100000}"), "s.yaml:4: workload[0].upload.every_s=100000 is out of range. Take a number from 0 to 86400.", id="every_max"),
    pytest.param(upload("{cout: 1}"), "s.yaml:4: workload[0].upload: 'cout' is not a key here. Did you mean 'count'?", id="upload_key"),
    pytest.param(HEAD + "workload: [{}]\n" + EXPECT, "s.yaml:3: workload[0] names no upload. Write `upload: {count: 1}`.", id="upload_missing"),
    pytest.param(HEAD + "workload: [uplod: {}]\n" + EXPECT, "s.yaml:3: workload[0]: 'uplod' is not a key here. Did you mean 'upload'?", id="upload_word"),
    pytest.param(HEAD + "workload: []\n" + EXPECT, "s.yaml:3: workload names no upload. Add one: `- upload: {count: 1}`.", id="workload_empty"),
    pytest.param(HEAD + "workload:\n" + EXPECT, "s.yaml:3: workload=null names no upload. Add one: `- upload: {count: 1}`.", id="workload_null"),
    pytest.param(upload("{steps: [initiate, putt]}"), "s.yaml:4: workload[0].upload.steps[1]='putt' is not a step. Did you mean 'put'?", id="step"),
    pytest.param(upload("{steps: [initiate, {putt: {}}]}"), "s.yaml:4: workload[0].upload.steps[1]: 'putt' is not a step. Did you mean 'put'?", id="step_map"),
    pytest.param(upload("{steps: [initiate, {put: {}, complete: {}}]}"), "s.yaml:4: workload[0].upload.steps[1] must be one step: `{name: {…}}`. Begin each step with a dash of its own.", id="step_two"),
    pytest.param(upload("{steps: [initiate, wait]}"), "s.yaml:4: workload[0].upload.steps[1]='wait' lacks what for. Write `{wait: past_deadline}`, `{wait: {state: …}}` or `{wait: {s: …}}`.", id="step_wait"),
    pytest.param(upload("{steps: [initiate, {wait: deadline}]}"), "s.yaml:4: workload[0].upload.steps[1].wait='deadline' is nothing to wait for. Write past_deadline, {state: …} or {s: …}.", id="step_wait_what"),
    pytest.param(upload("{steps: [initiate, {wait: {state: actve}}]}"), "s.yaml:4: workload[0].upload.steps[1].wait.state='actve' is not a state. Did you mean 'active'?", id="step_wait_state"),
    pytest.param(upload("{steps: [initiate, {wait: {state: active, s: 1}}]}"), "s.yaml:4: workload[0].upload.steps[1].wait must wait for exactly one thing. Keep one of state, s and past_deadline.", id="step_wait_two"),
    pytest.param(upload("{steps: [initiate, {wait: {}}]}"), "s.yaml:4: workload[0].upload.steps[1].wait must wait for exactly one thing. Keep one of state, s and past_deadline.", id="step_wait_none"),
    pytest.param(upload("{steps: [initiate, {complete: {times: 0}}]}"), "s.yaml:4: workload[0].upload.steps[1].complete.times=0 is out of range. Take a number from 1 to 1000.", id="step_times"),
    pytest.param(upload("{steps: [put]}"), "s.yaml:4: workload[0].upload.steps[0]='put' cannot come first. Begin with `initiate`.", id="step_first"),
    pytest.param(upload("{steps: [initiate, initiate]}"), "s.yaml:4: workload[0].upload.steps[1]='initiate' announces the upload again. Give the second one a client of its own.", id="step_again"),
    pytest.param(upload("{steps: [initiate, {put_parts: {}}]}"), "s.yaml:4: workload[0].upload.steps[1] puts parts, but none were announced. Begin with `{initiate: {parts: 2}}`.", id="step_put_parts"),
    pytest.param(upload("{steps: [{initiate: {parts: 2}}, put]}"), "s.yaml:4: workload[0].upload.steps[1]='put' puts a whole object, but a multipart upload was announced. Use `put_parts`.", id="step_put_whole"),
    pytest.param(upload("{steps: [{initiate: {parts: 2}}, {put_parts: {only: 3}}]}"), "s.yaml:4: workload[0].upload.steps[1] puts 3 parts, but 2 were announced. Take fewer.", id="step_too_many"),
    pytest.param(upload("{steps: []}"), "s.yaml:4: workload[0].upload.steps is empty. Begin with `initiate`.", id="step_empty"),
    pytest.param(upload("{steps: [1]}"), "s.yaml:4: workload[0].upload.steps[0]=1 is not a step. Known: cancel, complete, initiate, publish_event, put, put_parts, wait.", id="step_num"),
])
def test_a_mistake_in_the_workload_is_refused(text: str, message: str) -> None:
    """Uploads and steps that no client could perform are refused."""
    assert refusal(text) == message


@pytest.mark.parametrize(("text", "message"), [
    pytest.param(fault("when: start\n    kil: {}"), "s.yaml:7: faults[0]: 'kil' is not a fault. Did you mean 'kill'?", id="unknown_fault"),
    pytest.param(fault("when: start\n    kill: {roel: worker}"), "s.yaml:7: faults[0]: 'roel' is not a key here. Did you mean 'role'?", id="unknown_fault_parameter"),
    pytest.param(fault("when: start\n    kill: {}"), "s.yaml:7: faults[0] lacks 'role'. Add it.", id="lacks_parameter"),
    pytest.param(fault("when: start\n    kill: {role: worker, signal: SIGTREM}"), "s.yaml:7: faults[0].signal='SIGTREM' is not a signal. Did you mean 'SIGTERM'?", id="signal"),
    pytest.param(fault("when: start\n    kill: {role: wroker}"), "s.yaml:7: faults[0].role='wroker' is not a role. Did you mean 'worker'?", id="role"),
    pytest.param(fault("when: start\n    kill: {role: worker, scope: child1}"), "s.yaml:7: faults[0].scope='child1' is not allowed here. Did you mean 'child'?", id="literal"),
    pytest.param(fault("when: start\n    kill: {role: worker, scope: 3}"), "s.yaml:7: faults[0].scope=3 is not allowed here. Known: child, group, main, tree.", id="literal_type"),
    pytest.param(fault("when: start\n    rolling_replace: {role: worker, overlap: yes}"), "s.yaml:7: faults[0].overlap='yes' is a text. Write true or false.", id="bool"),
    pytest.param(fault("when: start\n    pause: {role: worker, for_s: -1}"), "s.yaml:7: faults[0].for_s=-1 is out of range. Take a number from 0 to 86400.", id="neg"),
    pytest.param(fault("when: start\n    pause: {role: worker, for_s: 1s}"), "s.yaml:7: faults[0].for_s='1s' is a text. Write a number.", id="str_for_float"),
    pytest.param(fault("when: start\n    pause: {role: worker, for_s: [1]}"), "s.yaml:7: faults[0].for_s is a list, and must be a single value. Write one.", id="list_for_float"),
    pytest.param(fault("when: start\n    allocate_here: {mib: 0}"), "s.yaml:7: faults[0].mib=0 is out of range. Take a number from 1 to 1048576.", id="mib"),
    pytest.param(fault("when: start\n    allocate_here: {mib: 1.5}"), "s.yaml:7: faults[0].mib=1.5 is a number. Write a whole number.", id="mibf"),
    pytest.param(fault("when: start\n    link_down: {link: worker.databse, for_s: 1}"), "s.yaml:7: faults[0].link='worker.databse' is not a link. Did you mean 'worker.database'?", id="link"),
    pytest.param(fault("when: start\n    link_down: {link: 'web.*', for_s: 1}"), "s.yaml:7: faults[0].link='web.*' is not a link. Known: api.database, api.objects, relay.database, relay.queue, worker.database, worker.queue.", id="linkglob"),
    pytest.param(fault("when: start"), "s.yaml:6: faults[0] names no fault. Add one of: allocate_here, crash_here, cut_message, delay_message, down, duplicate_message, exotic, heal, kill, link_down, notifications_off, pause, rolling_replace, swallow.", id="no_fault"),
    pytest.param(fault("when: start\n    crash_here: {}\n    swallow: {}"), "s.yaml:6: faults[0] names 2 faults: crash_here, swallow. Begin each with a dash of its own.", id="two_faults"),
    pytest.param(fault("crash_here: {}"), "s.yaml:6: faults[0] lacks 'when'. Say when it strikes, at least `when: start`.", id="no_when"),
    pytest.param(fault("when: start\n    times: twice\n    crash_here: {}"), "s.yaml:7: faults[0].times='twice' is not allowed here. Known: each, once.", id="times"),
    pytest.param(fault("kill"), "s.yaml:6: faults[0]='kill' is a single value, and must be a mapping. Write `key: value`.", id="fault_not_mapping"),
    pytest.param(HEAD + WORK + EXPECT + "faults: {when: start}\n", "s.yaml:5: faults is a mapping, and must be a list. Begin each item with a dash.", id="faults_not_list"),
    pytest.param(fault("when: start\n    exotic: {range: {low: 2, high: 1}}"), "s.yaml:7: faults[0] has a range that ends before it begins. Swap low and high.", id="exotic_range"),
    pytest.param(fault("when: start\n    exotic: {size: [1]}"), "s.yaml:7: faults[0].size is a list, and must be a single value. Write one.", id="exotic_union"),
    pytest.param(fault("when: start\n    exotic: {size: 1.5}"), "s.yaml:7: faults[0].size=1.5 is a number. Write a whole number or a text.", id="exotic_union2"),
    pytest.param(fault("when: start\n    exotic: {roles: [1]}"), "s.yaml:7: faults[0].roles[0]=1 is a whole number. Write a text.", id="exotic_list"),
])
def test_a_mistake_in_a_fault_is_refused(text: str, message: str) -> None:
    """An unknown fault, parameter or name, or a value out of range, is refused."""
    assert refusal(text) == message


@pytest.mark.parametrize(("text", "message"), [
    pytest.param(when("begin"), "s.yaml:6: faults[0].when='begin' is not a trigger. Write start, or a mapping with one of: at_s, enters, point, message, op, fault.", id="when_word"),
    pytest.param(when("[start]"), "s.yaml:6: faults[0].when is not a trigger. Write start, or a mapping with one of: at_s, enters, point, message, op, fault.", id="when_list"),
    pytest.param(when("{enters: actve}"), "s.yaml:6: faults[0].when.enters='actve' is not a state. Did you mean 'active'?", id="when_state"),
    pytest.param(when("{enters: active, stage: scens}"), "s.yaml:6: faults[0].when.stage='scens' is not a stage. Did you mean 'scenes'?", id="when_stage"),
    pytest.param(when("{enters: queued, stage: scenes}"), "s.yaml:6: faults[0].when.stage='scenes' needs `enters: active`: other states have no such place. Drop it.", id="when_stage_state"),
    pytest.param(when("{enters: queued, hold: true}"), "s.yaml:6: faults[0].when.hold=true needs `enters: active`: other states have no such place. Drop it.", id="when_hold_state"),
    pytest.param(when("{enters: active, point: worker.stage.started}"), "s.yaml:6: faults[0].when waits for two things: enters, point. Keep one.", id="when_two"),
    pytest.param(when("{job: any}"), "s.yaml:6: faults[0].when does not say what to wait for. Add one of: at_s, enters, point, message, op, fault.", id="when_none"),
    pytest.param(when("{entrs: active}"), "s.yaml:6: faults[0].when: 'entrs' is not a key of a trigger. Did you mean 'enters'?", id="when_unknown"),
    pytest.param(when("{enters: active, stge: scenes}"), "s.yaml:6: faults[0].when: 'stge' is not a key here. Did you mean 'stage'?", id="when_unknown2"),
    pytest.param(when("{enters: active, job: balloon}"), "s.yaml:6: faults[0].when.job='balloon' is not a tag of the workload. Known: any, job.", id="when_job"),
    pytest.param(when("{enters: active, attempt: 0}"), "s.yaml:6: faults[0].when.attempt=0 is out of range. Take a number from 1 to 1000.", id="when_attempt"),
    pytest.param(when("{enters: active, nth: 0}"), "s.yaml:6: faults[0].when.nth=0 is out of range. Take a number from 1 to 1000000.", id="when_nth"),
    pytest.param(when("{point: worker.stage.startd}"), "s.yaml:6: faults[0].when.point='worker.stage.startd' is not a test point. Did you mean 'worker.stage.started'?", id="when_point"),
    pytest.param(when("{op: complete}"), "s.yaml:6: faults[0].when.op='complete' is not what a client does. Did you mean 'complete_upload'?", id="when_op"),
    pytest.param(when("{op: cancel, phase: okay}"), "s.yaml:6: faults[0].when.phase='okay' is not allowed here. Did you mean 'ok'?", id="when_phase"),
    pytest.param(when("{at_s: -0.5}"), "s.yaml:6: faults[0].when.at_s=-0.5 is out of range. Take a number from 0 to 86400.", id="when_neg"),
    pytest.param(when("{message: SendMessage}"), "s.yaml:6: faults[0].when lacks 'link'. Add it.", id="when_msg"),
    pytest.param(when("{message: SendMessage, link: relay.quue}"), "s.yaml:6: faults[0].when.link='relay.quue' is not a link. Did you mean 'relay.queue'?", id="when_msg_link"),
    pytest.param(when("{message: SendMessage, link: relay.queue, nth: 2, first: 2}"), "s.yaml:6: faults[0].when has nth and first, which exclude each other. Keep one.", id="when_msg_first"),
    pytest.param(when("{message: SendMessage, link: relay.queue, first: 0}"), "s.yaml:6: faults[0].when.first=0 is out of range. Take a number from 1 to 1000.", id="when_msg_none"),
    pytest.param(when("{message: SendMessage, link: relay.queue, on: replay}"), "s.yaml:6: faults[0].when.on='replay' is not allowed here. Did you mean 'reply'?", id="when_msg_on"),
    pytest.param(when("{fault: 1}"), "s.yaml:6: faults[0].when.fault=1 is no fault: the last one here is 0. Count from 0.", id="when_fault"),
    pytest.param(when("{fault: -1}"), "s.yaml:6: faults[0].when.fault=-1 is out of range. Take a number from 0 to 1000.", id="when_fault_neg"),
    pytest.param(when("{fault: 0}"), "s.yaml:6: faults[0].when.fault=0 makes a fault wait for itself. Give one of them another trigger.", id="when_fault_self"),
    pytest.param(when("{fault: 1}") + "  - when: {fault: 0}\n    crash_here: {}\n", "s.yaml:6: faults[0].when.fault=1 makes a fault wait for itself. Give one of them another trigger.", id="when_cycle"),
    pytest.param(fault("when: start\n    heal: {fault: 7}"), "s.yaml:7: faults[0].fault=7 is no fault: the last one here is 0. Count from 0.", id="heal_none"),
    pytest.param(fault("when: start\n    heal: {fault: -1}"), "s.yaml:7: faults[0].fault=-1 is out of range. Take a number from 0 to 1000.", id="heal_neg"),
    pytest.param(fault("when: start\n    heal: {fault: 0}"), "s.yaml:7: faults[0].fault=0 makes a fault heal itself. Name another one.", id="heal_self"),
    pytest.param(fault("when: {enters: active}\n    swallow: {}"), "s.yaml:6: faults[0].when: 'swallow' needs a message. Write `when: {message: …, link: …}`.", id="place_message"),
    pytest.param(fault("when: {enters: active, hold: true}\n    allocate_here: {mib: 9}"), "s.yaml:6: faults[0].when: 'allocate_here' needs a test point. Write `when: {point: …}`.", id="place_point"),
    pytest.param(fault("when: start\n    kill: {role: worker, which: here}"), "s.yaml:6: faults[0].when: 'here' needs a process at the trigger. Wait for a `point`, a `message`, or `hold: true`, or drop `which`.", id="place_here"),
    pytest.param(fault("when: {message: COMMIT, link: worker.database}\n    times: each\n    swallow: {}"), "s.yaml:7: faults[0].times='each' is not possible at a message. Name one with `nth`, or some with `first`.", id="place_each"),
    pytest.param(fault("when: start\n    while: {active_jobs: 1}\n    crash_here: {}"), 's.yaml:7: faults[0].while.active_jobs=1 is not a comparison (>=, <=, ==, >, <) with a number. Write it as ">=1".', id="cond"),
    pytest.param(fault("when: start\n    while: {active_jobs: about 1}\n    crash_here: {}"), "s.yaml:7: faults[0].while.active_jobs='about 1' is not a comparison (>=, <=, ==, >, <) with a number. Write it as \">=1\".", id="cond2"),
    pytest.param(fault("when: start\n    while: {active_job: '>=1'}\n    crash_here: {}"), "s.yaml:7: faults[0].while: 'active_job' is not a key here. Did you mean 'active_jobs'?", id="cond3"),
    pytest.param(fault("when: start\n    while: {}\n    crash_here: {}"), 's.yaml:7: faults[0].while must be one condition. Write it as `{active_jobs: ">=1"}`.', id="cond4"),
])
def test_a_mistake_in_a_trigger_is_refused(text: str, message: str) -> None:
    """A trigger or condition that could never be met as written is refused."""
    assert refusal(text) == message


@pytest.mark.parametrize(("text", "message"), [
    pytest.param(expect("no_job_lots: {}"), "s.yaml:5: expect: 'no_job_lots' is not a property. Did you mean 'no_job_lost'?", id="exp_unknown"),
    pytest.param(HEAD + WORK + "expect: {}\n", "s.yaml:4: expect names no property. Add one of: attempts_bounded, completion_idempotent, drains_cleanly, effects, every_job_terminal, latency_within, legal_transitions, memory_within, no_job_lost, no_premature_claim, outcomes, recovery_within, result_intact, terminal_is_final, visits.", id="exp_none"),
    pytest.param(expect("every_job_terminal: {within: 5}"), "s.yaml:5: expect.every_job_terminal: 'within' is not a key here. Did you mean 'within_s'?", id="exp_param"),
    pytest.param(expect("every_job_terminal: {within_s: soon}"), "s.yaml:5: expect.every_job_terminal.within_s='soon' is a text. Write a number.", id="exp_type"),
    pytest.param(expect("every_job_terminal: [5]"), "s.yaml:5: expect.every_job_terminal is a list, and must be a mapping. Write `key: value`.", id="exp_list"),
    pytest.param(expect("every_job_terminal: {within_s: -5}"), "s.yaml:5: expect.every_job_terminal.within_s=-5 is out of range. Take a number from 0 to 86400.", id="exp_neg"),
    pytest.param(expect("memory_within: worker"), "s.yaml:5: expect.memory_within='worker' is a single value, which this property does not take. Write a mapping, or `{}`.", id="exp_scalar"),
    pytest.param(expect("no_job_lost: true"), "s.yaml:5: expect.no_job_lost=true is a single value, which this property does not take. Write a mapping, or `{}`.", id="exp_scalar2"),
    pytest.param(expect("effects: exactly_onec"), "s.yaml:5: expect.effects='exactly_onec' is not a way of delivery. Did you mean 'exactly_once'?", id="exp_mode"),
    pytest.param(expect("effects: 3"), "s.yaml:5: expect.effects=3 is a whole number. Write a text.", id="exp_mode2"),
    pytest.param(expect("latency_within: {balloon: 1}"), "s.yaml:5: expect.latency_within: 'balloon' is not a tag of the workload. Known: job.", id="exp_latency"),
    pytest.param(expect("latency_within: {job: {factor: 2}}"), "s.yaml:5: expect.latency_within.job compares with nothing. Write `{factor: 0.5, of: TAG}`.", id="exp_latency2"),
    pytest.param(expect("latency_within: {job: {factor: 0, of: job}}"), "s.yaml:5: expect.latency_within.job.factor=0 is out of range. Take a number above 0.", id="exp_latency3"),
    pytest.param(expect("latency_within: {job: {factor: 2, of: jop}}"), "s.yaml:5: expect.latency_within.job.of='jop' is not a tag of the workload. Did you mean 'job'?", id="exp_latency4"),
    pytest.param(expect("latency_within: {job: {factor: 2, of: job, by: mean}}"), "s.yaml:5: expect.latency_within.job.by='mean' is no way to compare. Did you mean 'median'? Take one of: longest, median.", id="exp_latency5"),
    pytest.param(expect("latency_within: {job: {factor: 2, of: job, buy: median}}"), "s.yaml:5: expect.latency_within.job: 'buy' is not a key here. Did you mean 'by'?", id="exp_latency6"),
    pytest.param(upload("{count: 1, patience_s: -1}"), "s.yaml:4: workload[0].upload.patience_s=-1 is out of range. Take a number from 0 to 86400.", id="up_patience"),
    pytest.param(expect("outcomes: {balloon: {exactly: 1}}"), "s.yaml:5: expect.outcomes: 'balloon' is neither a tag of the workload nor a state. Known: active, awaiting_upload, cancelled, expired, failed, job, queued, succeeded.", id="exp_outcome"),
    pytest.param(expect("outcomes: {succeeded: {exacly: 1}}"), "s.yaml:5: expect.outcomes.succeeded: 'exacly' is not a key here. Did you mean 'exactly'?", id="exp_outcome2"),
    pytest.param(expect("outcomes: {succeeded: 1}"), "s.yaml:5: expect.outcomes.succeeded=1 is a single value, and must be a mapping. Write `key: value`.", id="exp_outcome3"),
    pytest.param(expect("outcomes: {job: {exactly: 1, state: succeded}}"), "s.yaml:5: expect.outcomes.job.state='succeded' is not a state. Did you mean 'succeeded'?", id="exp_outcome4"),
    pytest.param(expect("outcomes: {job: {exactly: -1}}"), "s.yaml:5: expect.outcomes.job.exactly=-1 is out of range. Take a number from 0 to 10000.", id="exp_outcome5"),
    pytest.param(expect("outcomes: {job: {exactly: two}}"), "s.yaml:5: expect.outcomes.job.exactly='two' is a text. Write a whole number.", id="exp_outcome_type"),
    pytest.param(expect("outcomes: {job: {state: [failed]}}"), "s.yaml:5: expect.outcomes.job.state is a list, and must be a single value. Write one.", id="exp_outcome_list"),
    pytest.param(expect("outcomes: {failed: {state: expired}}"), "s.yaml:5: expect.outcomes.failed.state='expired' stands under a state already. Name the state once, or use a tag as the key.", id="exp_outcome_twice"),
    pytest.param(expect("outcomes: {failed: {reason: crashed}}"), "s.yaml:5: expect.outcomes.failed demands nothing. Add exactly, at_least or at_most.", id="exp_outcome_nothing"),
    pytest.param(expect("outcomes: {job: {}}"), "s.yaml:5: expect.outcomes.job demands nothing. Add exactly, at_least or at_most.", id="exp_outcome_tag_nothing"),
    pytest.param(expect("visits: {stages: 3}"), "s.yaml:5: expect.visits.stages=3 must be a list. Write it as one.", id="exp_must_be_list"),
    pytest.param(expect("visits: {most: [3]}"), "s.yaml:5: expect.visits.most is a list, and must be a single value. Write one.", id="exp_no_list"),
    pytest.param(expect("visits: {stages: [frams]}"), "s.yaml:5: expect.visits.stages[0]='frams' is not a stage. Did you mean 'frames'?", id="exp_stage"),
    pytest.param(expect("memory_within: {role: wrker, below: 1}"), "s.yaml:5: expect.memory_within.role='wrker' is not a role. Did you mean 'worker'?", id="exp_role"),
    pytest.param(HEAD + WORK + EXPECT + "settings: {upload_dedline_s: 2}\n", "s.yaml:5: settings: 'upload_dedline_s' is not a setting of this target. Did you mean 'upload_deadline_s'?", id="settings"),
    pytest.param(HEAD + WORK + EXPECT + "settings: {slots: two}\n", "s.yaml:5: settings.slots='two' is a text. Write a whole number.", id="settings_type"),
    pytest.param(HEAD + WORK + EXPECT + "settings: {upload_deadline_s: -2}\n", "s.yaml:5: settings.upload_deadline_s=-2 is out of range. Take a number from 0 to 86400.", id="settings_neg"),
    pytest.param(HEAD + WORK + EXPECT + "roles: {wroker: {}}\n", "s.yaml:5: roles: 'wroker' is not a role. Did you mean 'worker'?", id="roles"),
    pytest.param(HEAD + WORK + EXPECT + "roles: {worker: {replica: 1}}\n", "s.yaml:5: roles.worker: 'replica' is not a key here. Did you mean 'replicas'?", id="roles_key"),
    pytest.param(HEAD + WORK + EXPECT + "roles: {worker: {replicas: 100}}\n", "s.yaml:5: roles.worker.replicas=100 is out of range. Take a number from 0 to 64.", id="roles_range"),
    pytest.param(HEAD + WORK + EXPECT + "roles: {worker: {settings: {slot: 1}}}\n", "s.yaml:5: roles.worker.settings: 'slot' is not a setting of this target. Did you mean 'slots'?", id="roles_setting"),
    pytest.param(HEAD + WORK + EXPECT + "guards: {drain_on_sigtrm: {by: no_job_lost}}\n", "s.yaml:5: guards: 'drain_on_sigtrm' is not a defence of this target. Did you mean 'drain_on_sigterm'?", id="guard"),
    pytest.param(HEAD + WORK + EXPECT + "guards: {lease_recovery: {by: no_job_los}}\n", "s.yaml:5: guards.lease_recovery.by='no_job_los' is not a property. Did you mean 'no_job_lost'?", id="guard_by"),
    pytest.param(HEAD + WORK + EXPECT + "guards: {lease_recovery: {}}\n", "s.yaml:5: guards.lease_recovery lacks 'by'. Name the property that must fail without this defence.", id="guard_noby"),
    pytest.param(HEAD + WORK + EXPECT + "guards: {lease_recovery: {by: no_job_lost, case: {stage: scenes}}}\n", "s.yaml:5: guards.lease_recovery.case: 'stage' is not a parameter of this scenario. It has none.", id="guard_case"),
    pytest.param(HEAD + WORK + EXPECT + "before: {defences_off: [drain_on_sigtrm], fails: [no_job_lost]}\n", "s.yaml:5: before.defences_off[0]='drain_on_sigtrm' is not a defence of this target. Did you mean 'drain_on_sigterm'?", id="before_defence"),
    pytest.param(HEAD + WORK + EXPECT + "before: {defences_off: [lease_recovery], fails: [no_job_los]}\n", "s.yaml:5: before.fails[0]='no_job_los' is not a property. Did you mean 'no_job_lost'?", id="before_fails"),
    pytest.param(HEAD + WORK + EXPECT + "before: {defences_off: [lease_recovery]}\n", "s.yaml:5: before lacks 'fails'. Write `{defences_off: [a, b], fails: [a_property]}`.", id="before_nofails"),
    pytest.param(HEAD + WORK + EXPECT + "before: {defences_off: [], fails: [no_job_lost]}\n", "s.yaml:5: before.defences_off is empty. Name a defence of this target.", id="before_empty"),
    pytest.param(HEAD + WORK + EXPECT + "before: {defences_off: [lease_recovery, lease_recovery], fails: [no_job_lost]}\n", "s.yaml:5: before.defences_off[1]='lease_recovery' is in the list already. Keep one.", id="before_twice"),
    pytest.param(HEAD + WORK + EXPECT + "before: {defences_of: [lease_recovery], fails: [no_job_lost]}\n", "s.yaml:5: before: 'defences_of' is not a key here. Did you mean 'defences_off'?", id="before_key"),
    pytest.param(HEAD + WORK + EXPECT + "before: {happened: 3, defences_off: [lease_recovery], fails: [no_job_lost]}\n", "s.yaml:5: before.happened=3 is a whole number. Write a text.", id="before_happened"),
])
def test_a_mistake_in_what_is_expected_is_refused(text: str, message: str) -> None:
    """Unknown properties, parameters, settings, roles and defences are refused."""
    assert refusal(text) == message


@pytest.mark.parametrize(("text", "message"), [
    pytest.param(when("{enters: active, stage: $stage}"), "s.yaml:6: faults[0].when.stage='$stage' is not in the matrix. Add it there.", id="ref"),
    pytest.param(when("{enters: active, stage: $stge}") + "matrix: {stage: [scenes]}\n", "s.yaml:6: faults[0].when.stage='$stge' is not in the matrix. Did you mean '$stage'?", id="ref_typo"),
    pytest.param(HEAD + WORK + EXPECT + "matrix:\n  grace_s: [1]\n", "s.yaml:6: matrix: 'grace_s' is never used. Write $grace_s somewhere, or remove it.", id="unused"),
    pytest.param(when("{enters: active, stage: $stage}") + "matrix:\n  stage: [scenes,\n    frams]\n", "s.yaml:10: faults[0].when.stage='frams' is not a stage. Did you mean 'frames'?", id="mx_value"),
    pytest.param(fault("when: start\n    rolling_replace: {role: worker, overlap: $o}") + "matrix:\n  o: [false, 2]\n", "s.yaml:9: faults[0].overlap=2 is a whole number. Write true or false.", id="mx_type"),
    pytest.param(when("{enters: active, stage: $stage}") + "matrix: {stage: []}\n", "s.yaml:8: matrix.stage has no value. Give it one, the base first.", id="mx_empty"),
    pytest.param(when("{enters: active, stage: $stage}") + "matrix: {stage: scenes}\n", "s.yaml:8: matrix.stage='scenes' is a single value, and must be a list. Begin each item with a dash.", id="mx_scalar"),
    pytest.param(when("{enters: active, stage: $stage}") + "matrix: {stage: [{a: 1}]}\n", "s.yaml:8: matrix.stage[0] is a mapping, and must be a single value. Write one.", id="mx_map"),
    pytest.param(when("{enters: active, stage: $stage}") + "matrix: {stage: [5, 5.0]}\n", "s.yaml:8: matrix.stage[1]=5.0 is in the list already. Keep one.", id="mx_dup"),
    pytest.param(when("{enters: active, stage: $stage}") + "matrix: {stage: [null]}\n", "s.yaml:8: matrix.stage[0]=null cannot be a value of the matrix. Write a number, true, false or a word.", id="mx_null"),
    pytest.param(when("{enters: active, stage: $stage}") + "matrix: {stage: ['a,b']}\n", "s.yaml:8: matrix.stage[0]='a,b' cannot be a value of the matrix. Write a number, true, false or a word.", id="mx_comma"),
    pytest.param(when("{enters: active, stage: $stage}") + "matrix: {stage: [$stage]}\n", "s.yaml:8: matrix.stage[0]='$stage' cannot be a value of the matrix. Write a number, true, false or a word.", id="mx_ref"),
    pytest.param(when("{enters: active, stage: $stage}") + "matrix: {alternative: [a], stage: [scenes]}\n", "s.yaml:8: matrix: 'alternative' cannot name a parameter. Take another word of small letters and _.", id="mx_name"),
    pytest.param(fault("when: start\n    rolling_replace: {role: $a, grace_s: $b}") + f"matrix:\n  a: {list(range(40))}\n  b: {list(range(40))}\n", "s.yaml:8: matrix makes 1600 cases. Take values out, until there are 1000 at most.", id="mx_many"),
    pytest.param(expect("outcomes: {$state: {exactly: 1}}") + "matrix: {state: [failed]}\n", "s.yaml:5: expect.outcomes: '$state' cannot be a key: only values come from the matrix.", id="key_ref"),
])
def test_a_mistake_in_the_matrix_is_refused(text: str, message: str) -> None:
    """A name without values, values without a use and bad values are refused, at the line of the value."""
    assert refusal(text) == message


@pytest.mark.parametrize(("text", "message"), [
    pytest.param(HEAD + WORK + EXPECT + "alternatives:\n  a: {guards: {}}\n", "s.yaml:6: alternatives.a: 'guards' is not a key here. Known: budget_s, expect, faults, promise, roles, settings, workload.", id="alt_key"),
    pytest.param(HEAD + WORK + EXPECT + "alternatives:\n  A: {}\n", "s.yaml:6: alternatives: 'A' is not a name. Write small letters, digits, - and _.", id="alt_name"),
    pytest.param(HEAD + WORK + EXPECT + "alternatives:\n  a: {}\n  b: {expect: {no_job_lost: {}}}\n", "s.yaml:7: alternatives: 'b' is the same as 'a'. Change it or remove it.", id="alt_same"),
    pytest.param(HEAD + WORK + EXPECT + "alternatives:\n  a: {workload: [upload: {count: 1}]}\n  b: {workload: [upload: {count: 3}]}\n", "s.yaml:3: alternatives: 'workload' of the file is replaced by every alternative. Remove it here or in one of them.", id="alt_replaced"),
    pytest.param(HEAD + EXPECT + "alternatives:\n  a: {workload: [upload: {count: 1}]}\n  b: {}\n", "s.yaml:1: 'workload' is missing in alternative 'b'. Add it.", id="alt_missing"),
    pytest.param(HEAD + WORK + EXPECT + "alternatives:\n  a: {}\n  b:\n    expect: {no_jb_lost: {}}\n", "s.yaml:8: expect: 'no_jb_lost' is not a property. Did you mean 'no_job_lost'?", id="alt_bad"),
    pytest.param(HEAD + WORK + EXPECT + "alternatives:\n  a: {}\n  b: {budget_s: 3}\nguards:\n  lease_recovery: {by: no_job_lost, case: {alternative: c}}\n", "s.yaml:9: guards.lease_recovery.case: alternative='c' is not one of its values. Known: a, b.", id="alt_guard"),
    pytest.param(fault("when: start\n    pause: {role: worker, for_s: $t}") + "matrix: {t: [1, 2]}\nalternatives:\n  a: {}\n  b: {faults: []}\nguards:\n  lease_recovery: {by: no_job_lost, case: {alternative: b, t: 2}}\n", "s.yaml:13: guards.lease_recovery.case: no case has alternative=b, t=2 together.", id="alt_combo"),
    pytest.param(HEAD + WORK + EXPECT + "adjust: [{case: {a: 1}}]\n", "s.yaml:5: adjust[0] lacks 'expect'. Write `{case: {…}, expect: {…}}`.", id="adjust_lacks"),
    pytest.param(HEAD + WORK + EXPECT + "adjust: [{cse: {a: 1}}]\n", "s.yaml:5: adjust[0]: 'cse' is not a key here. Did you mean 'case'?", id="adjust_key"),
    pytest.param(fault("when: start\n    pause: {role: worker, for_s: $t}") + "matrix: {t: [1, 2]}\nadjust:\n  - {case: {t: 3}, expect: {no_job_lost: {}}}\n", "s.yaml:10: adjust[0].case: t=3 is not one of its values. Known: 1, 2.", id="adjust_case"),
    pytest.param(fault("when: start\n    pause: {role: worker, for_s: $t}") + "matrix: {t: [1, 2]}\nadjust:\n  - {case: {t: null}, expect: {no_job_lost: {}}}\n", "s.yaml:10: adjust[0].case.t=null selects nothing. Write one of the values of the matrix.", id="adjust_null"),
    pytest.param(fault("when: start\n    pause: {role: worker, for_s: $t}") + "matrix: {t: [1, 2]}\nadjust:\n  - {case: {t: 2}, expect: {no_jb_lost: {}}}\n", "s.yaml:10: expect: 'no_jb_lost' is not a property. Did you mean 'no_job_lost'?", id="adjust_bad"),
])
def test_a_mistake_in_alternatives_is_refused(text: str, message: str) -> None:
    """Alternatives that contradict the file or each other, and adjustments that match nothing, are refused."""
    assert refusal(text) == message
