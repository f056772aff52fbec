"""Each fault: what counts as landed, what does not, whom it hit, and what healing undoes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.runner.stage import Stage, Stand, fault, in_turn, stage
from unstuck.errors import HarnessError
from unstuck.scenario import OnMessage, OnOp, OnPoint, OnState, Trigger
from unstuck.targets.port import Reply

PLACE = OnPoint(point="worker.stage.started")
ACTIVE = OnState(state="active")
MESSAGE = OnMessage(message="*", link="relay.queue")


def struck(made: Stage, when: Trigger = PLACE) -> Stand:
    """Brings the trigger about: a job is active, and stands at the place if the trigger is one."""
    made.begin()
    made.job()
    stand = made.stand() if isinstance(when, OnPoint) else Stand()
    made.after(0.5)
    return stand


def landed(made: Stage) -> Mapping[str, Any]:
    [event] = made.history.of("fault", "landed")
    assert not made.history.of("fault", "missed")
    return event.data


def why_missed(made: Stage) -> str:
    [event] = made.history.of("fault", "missed")
    assert not made.history.of("fault", "landed")
    assert made.engine.error is None
    return str(event.data["why"])


# allocate_here, crash_here


def test_a_crash_has_landed_when_the_process_is_gone() -> None:
    """It dies of the order, later, without a word: we look until it is gone."""
    with stage(fault("crash_here", PLACE)) as made:
        stand = struck(made)
        assert stand.told == ["crash"]
        assert made.history.faults(0) == ["armed", "fired"]
        stand.dead = True
        made.after(0.1)
        assert landed(made)["jobs"] == ["j-1"]


def test_a_crash_of_somebody_who_lives_on_has_missed() -> None:
    """Nor does it count when nobody stood at the place."""
    with stage(fault("crash_here", PLACE)) as made:
        struck(made)
        made.after(16)
        assert "is still there" in why_missed(made)
    with stage(fault("crash_here", ACTIVE)) as made:
        struck(made, ACTIVE)
        assert "the trigger has to be a test point" in why_missed(made)


def test_memory_has_landed_when_the_process_is_gone_without_having_it_all() -> None:
    """Gone while it took; a process of no job hits no job."""
    with stage(fault("allocate_here", PLACE, {"mib": 900})) as made:
        made.begin()
        stand = made.stand(None)
        stand.dies_of = {"allocate"}
        made.after(0.1)
        assert landed(made)["jobs"] == []
        assert stand.told == ["allocate"]


@pytest.mark.parametrize("then_ends", [False, True])
def test_memory_that_a_process_got_has_missed(then_ends: bool) -> None:
    """It has all that it was told to take: nobody limits it, also when it ends in good order later."""
    with stage(fault("allocate_here", PLACE, {"mib": 900})) as made:
        stand = struck(made)
        stand.keeps, stand.dead = True, then_ends
        made.after(0.1)
        assert "is its role limited?" in why_missed(made)
    with stage(fault("allocate_here", ACTIVE, {"mib": 900})) as made:
        struck(made, ACTIVE)
        assert "has to be a test point" in why_missed(made)


# complete_again, corrupt_artefacts


def test_completions_have_landed_when_each_was_answered() -> None:
    """A definite no is an answer, too; the job stands there until the last one has come."""
    with stage(fault("complete_again", PLACE, {"times": 2})) as made:
        made.running.replies["complete_upload"] = Reply(phase="fail", data={"status": 409}, error="no")
        stand = struck(made)
        assert landed(made)["how"] == "2 further completions answered: fail, fail"
        ends = made.history.of("op", "fail")
        assert [e.data["status"] for e in ends] == [409, 409]
        assert ends[-1].number < made.history.of("point", "released")[0].number
        assert stand.told == ["go"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(phase="info", error="timeout"),
        Reply(phase="fail", data={"status": 503}, error="503"),
        Reply(phase="fail", error="no API process is running"),
    ],
    ids=["no answer", "draining", "nobody there"],
)
def test_a_completion_that_nobody_heard_has_missed(reply: Reply) -> None:
    """Unknown, refused while draining, or without anybody to say it to: the service was told nothing."""
    with stage(fault("complete_again", PLACE)) as made:
        made.running.replies["complete_upload"] = reply
        struck(made)
        assert why_missed(made) == "1 of 1 completions got no answer"


@pytest.mark.parametrize(
    ("name", "given"), [("complete_again", {}), ("corrupt_artefacts", {"stage": "stitch"})]
)
def test_faults_on_a_job_miss_where_there_is_none(name: str, given: dict[str, Any]) -> None:
    """A place without a job has nothing to complete and nothing stored."""
    with stage(fault(name, OnPoint(point="relay.tick"), given)) as made:
        made.begin()
        made.stand(None, "relay.tick")
        made.after(0.1)
        assert why_missed(made) == "no job stood at the place"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"keys": ["a", "b"]}, None),
        ({"keys": []}, "j-1 had stored nothing of stage stitch"),
        ({"keys": ["a", "b"], "unchanged": ["b"]}, "read back as before: b"),
    ],
)
def test_rot_has_landed_when_every_file_reads_back_otherwise(found: dict[str, Any], why: str | None) -> None:
    """Nothing stored, or a file that is as before, is no rot."""
    with stage(fault("corrupt_artefacts", PLACE, {"stage": "stitch"})) as made:
        made.running.abilities["corrupt_artefacts"] = found
        struck(made)
        assert (landed(made)["jobs"] == ["j-1"]) if why is None else (why_missed(made) == why)


# faults on messages


@pytest.mark.parametrize(
    ("name", "given", "outcome"),
    [
        ("swallow", {}, "answered"),
        ("cut_message", {}, "cut"),
        ("delay_message", {"by_s": 40}, "forwarded"),
        ("delay_message", {"by_s": 40}, "delivered"),
        ("duplicate_message", {"after_s": 40}, "duplicated"),
    ],
)
def test_a_fault_on_a_message_has_landed_when_the_link_says_so(
    name: str, given: dict[str, Any], outcome: str
) -> None:
    """Not when the message came: the copy or the delayed one may go out long after."""
    with stage(fault(name, MESSAGE, given)) as made:
        made.begin()
        made.job()
        made.history.emit("message", "matched", job="j-1", rule="fault-0", nth=1)
        made.after(39 if given else 0.1)
        assert made.history.faults(0) == ["armed", "fired"]
        made.history.emit(
            "message", "done", rule="fault-0", nth=1, outcome=outcome, label="Send", link="relay-1.queue"
        )
        made.after(0.1)
        assert landed(made)["how"] == f"Send on relay-1.queue: {outcome}"
        assert landed(made)["jobs"] == ["j-1"]
        assert landed(made)["struck_at_ns"] < 1e9


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("failed", "the link could not do it: failed {'why': 'too large'}"),
        ("shadowed", "the link could not do it: shadowed {'why': 'too large'}"),
        ("forwarded", "the link could not do it: forwarded {'why': 'too large'}"),
        (None, "the link never said that it was done with the message (fault-0)"),
    ],
)
def test_any_other_outcome_has_missed(outcome: str | None, why: str) -> None:
    """A message that went on after all was not swallowed; silence is no landing."""
    with stage(fault("swallow", MESSAGE)) as made:
        made.begin()
        made.history.emit("message", "matched", rule="fault-0", nth=1)
        if outcome is not None:
            facts = {"why": "too large"}
            made.history.emit("message", "done", rule="fault-0", nth=1, outcome=outcome, facts=facts)
        made.after(31)
        assert why_missed(made) == why


# kill


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        ({"which": "here"}, ["worker-1"]),
        ({"which": "holder"}, ["worker-1"]),
        ({"which": "any"}, ["worker-1"]),
        ({"which": "all"}, ["worker-1", "worker-2"]),
    ],
)
def test_a_kill_has_landed_when_its_processes_are_gone(given: dict[str, Any], gone: list[str]) -> None:
    """It names them, and the jobs that they held."""
    with stage(fault("kill", PLACE, {"role": "worker", **given})) as made:
        struck(made)
        assert landed(made)["processes"] == gone
        assert landed(made)["jobs"] == ["j-1"]
        assert not set(gone) & set(made.world.running("worker"))


def test_a_kill_lands_when_the_world_has_said_so_as_well() -> None:
    """The operating system knows first; until its exit is told, the process would count as ready."""
    with stage(fault("kill", PLACE, {"role": "worker"})) as made:
        made.world.silent.add("worker-1")
        struck(made)
        assert made.history.faults(0) == ["armed", "fired"]
        made.world.say("exit", "worker-1")
        made.after(0.1)
        assert landed(made)["processes"] == ["worker-1"]


def test_a_kill_that_finds_nobody_has_missed() -> None:
    """No such process, nobody who got the signal, or somebody who stays."""
    with stage(fault("kill", PLACE, {"role": "api"})) as made:
        struck(made)
        assert why_missed(made) == "no process of role api was there (any)"
    with stage(fault("kill", PLACE, {"role": "worker", "which": "holder"})) as made:
        made.begin()
        made.stand(None)
        made.after(0.1)
        assert "(holder)" in why_missed(made)
    with stage(fault("kill", PLACE, {"role": "worker", "which": "holder"})) as made:
        made.begin()
        made.stand("j-unknown")
        made.after(3)
        assert "(holder)" in why_missed(made)
    with stage(fault("kill", PLACE, {"role": "worker"})) as made:
        made.world.deaf.add("worker-1")
        struck(made)
        assert why_missed(made) == "nobody got SIGKILL: worker-1 had no tree"
    with stage(fault("kill", PLACE, {"role": "worker"})) as made:
        made.world.stays.add("worker-1")
        struck(made)
        made.after(16)
        assert "worker-1 is still there 15 s after SIGKILL" in why_missed(made)


def test_a_killed_child_hits_the_job_at_the_place_only_if_it_is_that_child() -> None:
    """The newest child may work on another job: then nobody says which was hit."""
    child = {"role": "worker", "which": "here", "scope": "child"}
    with stage(fault("kill", PLACE, child)) as made:
        struck(made)  # the stand's pid is that of the process's only child
        assert landed(made)["jobs"] == ["j-1"]
    with stage(fault("kill", PLACE, child)) as made:
        made.begin()
        made.job()
        made.world.pids["worker-1"] += 7  # what stands there is not the newest child
        stand_pid = made.world.pids["worker-1"]
        made.world.pids["worker-1"] = stand_pid - 7
        made.stand()
        made.world.pids["worker-1"] = stand_pid
        made.after(0.1)
        assert "jobs" not in landed(made)
        assert landed(made)["processes"] == ["worker-1"]


def test_the_job_of_a_request_dies_with_the_process_that_serves_it() -> None:
    """An API process holds no lease, and is yet whom the job depended on."""
    with stage(fault("kill", PLACE, {"role": "worker", "which": "here"})) as made:
        made.begin()
        made.job(state="queued")
        made.stand()
        made.after(0.1)
        assert landed(made)["jobs"] == ["j-1"]


# pause, down, link_down, rolling_replace


def test_a_pause_hits_and_is_undone_for_each() -> None:
    """SIGSTOP for all of them, SIGCONT for all of them."""
    with stage(fault("pause", PLACE, {"role": "worker", "which": "all", "for_s": 3})) as made:
        struck(made)
        assert landed(made)["jobs"] == ["j-1"]
        made.after(4)
        sent = [call[:2] for call in made.world.done]
        assert sent == [
            ("SIGSTOP", "worker-1"),
            ("SIGSTOP", "worker-2"),
            ("SIGCONT", "worker-1"),
            ("SIGCONT", "worker-2"),
        ]


def test_a_pause_of_nobody_has_missed() -> None:
    """No process was there, or it ended before the signal came."""
    with stage(fault("pause", PLACE, {"role": "api", "for_s": 3})) as made:
        struck(made)
        assert why_missed(made) == "no process of role api was there (holder)"
    with stage(fault("pause", PLACE, {"role": "worker", "for_s": 3})) as made:
        made.world.deaf.add("worker-1")
        struck(made)
        assert why_missed(made) == "worker-1 had ended before SIGSTOP came"


def test_a_role_is_down_until_it_is_healed() -> None:
    """Nobody of it runs; afterwards as many as before, under new names."""
    with stage(fault("down", ACTIVE, {"role": "worker", "for_s": 3, "grace_s": 0.1})) as made:
        struck(made, ACTIVE)
        assert landed(made)["processes"] == ["worker-1", "worker-2"]
        assert made.world.running("worker") == []
        made.after(4)
        assert made.world.running("worker") == ["worker-3", "worker-4"]


def test_a_role_that_is_not_all_down_has_missed() -> None:
    """Nobody was there to be stopped, somebody stayed, or another one came up meanwhile."""
    with stage(fault("down", ACTIVE, {"role": "api", "for_s": 3})) as made:
        struck(made, ACTIVE)
        assert why_missed(made) == "no process of role api was running"
    with stage(fault("down", ACTIVE, {"role": "worker", "for_s": 3, "grace_s": 0})) as made:
        made.world.stays.add("worker-2")
        struck(made, ACTIVE)
        made.after(15)
        assert why_missed(made) == "worker-2 is still there 10 s after the stop signal"
    with stage(fault("down", ACTIVE, {"role": "worker", "for_s": 3, "grace_s": 1})) as made:
        made.scheduler.spawn("another", in_turn(lambda: made.after(1), lambda: made.world.come("worker-9")))
        struck(made, ACTIVE)
        made.after(3)
        assert why_missed(made) == "still running: worker-9"


def test_a_link_is_down_until_it_is_healed() -> None:
    """The target's links are told twice, once each way."""
    with stage(fault("link_down", ACTIVE, {"link": "worker.database", "for_s": 2})) as made:
        struck(made, ACTIVE)
        assert landed(made)["how"] == "worker.database is down"
        made.after(2)
        assert made.running.done == [("link", "worker.database", "down"), ("link", "worker.database", "up")]


@pytest.mark.parametrize(
    ("overlap", "order"),
    [
        (False, ["stop worker-1", "start worker-3", "stop worker-2", "start worker-4"]),
        (True, ["start worker-3", "stop worker-1", "start worker-4", "stop worker-2"]),
    ],
)
def test_processes_are_replaced_one_by_one(overlap: bool, order: list[str]) -> None:
    """With overlap the new one is ready before the old one is told; they may be of another version."""
    given = {"role": "worker", "grace_s": 0.1, "overlap": overlap, "version": "abc"}
    with stage(fault("rolling_replace", PLACE, given)) as made:
        struck(made)
        assert landed(made)["processes"] == ["worker-1", "worker-2"]
        assert [" ".join(call[:2]) for call in made.world.done] == order
        assert {call[2] for call in made.world.done if call[0] == "start"} == {"abc"}


def test_whoever_stands_at_the_place_is_replaced_first_and_goes_on_when_told_to_stop() -> None:
    """Otherwise the blow would land somewhere else than the trigger says."""
    with stage(fault("rolling_replace", PLACE, {"role": "worker", "grace_s": 5})) as made:
        made.world.pids = {name: made.world.pids[name] for name in ("worker-2", "worker-1")}
        stand = struck(made)
        assert made.world.done[0][:2] == ("stop", "worker-1")
        assert stand.told == ["go"]
        signal = made.history.of("process", "signal")[0]
        assert signal.number < made.history.of("point", "released")[0].number
        assert made.history.faults(0) == ["armed", "fired"]
        made.after(11)
        landed(made)


def test_a_replacement_of_somebody_who_was_gone_has_missed() -> None:
    """It ended by itself before it could be told: no stop was seen. Nobody at all is missed as well."""
    with stage(fault("rolling_replace", PLACE, {"role": "worker", "grace_s": 0})) as made:
        made.world.deaf.add("worker-2")
        stand = struck(made)
        assert why_missed(made) == "worker-2 had ended before the stop signal came"
        assert stand.told == ["go"]
    with stage(fault("rolling_replace", PLACE, {"role": "api"})) as made:
        struck(made)
        assert why_missed(made) == "no process of role api was running"


# notifications_off, heal


@pytest.mark.parametrize(
    ("read_back", "why"),
    [({"configured": []}, None), ({"configured": ["Queue"]}, "the bucket still notifies: ['Queue']")],
)
def test_notifications_are_off_when_the_configuration_says_so(
    read_back: dict[str, Any], why: str | None
) -> None:
    """Read back, not believed."""
    with stage(fault("notifications_off", ACTIVE)) as made:
        made.running.abilities["notifications_off"] = read_back
        struck(made, ACTIVE)
        assert landed(made)["how"] if why is None else why_missed(made) == why


def test_healing_what_does_not_last_has_missed() -> None:
    """The other fault has not struck, or is over."""
    with stage(
        fault("pause", OnOp(op="cancel"), {"role": "worker", "for_s": 3}), fault("heal", ACTIVE, {"fault": 0})
    ) as made:
        struck(made, ACTIVE)
        assert why_missed(made) == "fault 0 was not there to be healed"


def test_an_ability_that_breaks_is_a_harness_error() -> None:
    """The object store could not be asked: that is no failure of the service."""
    with stage(fault("notifications_off", ACTIVE)) as made:
        made.running.abilities["notifications_off"] = HarnessError("no answer")
        struck(made, ACTIVE)
        assert made.history.faults(0) == ["armed", "fired", "missed"]
        assert "no answer" in str(made.engine.error)
