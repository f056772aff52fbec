"""Each fault: what counts as landed, what does not, whom it hit, and what healing undoes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.faults.blows import ACTIVE, MESSAGE, PLACE, landed, struck, why_missed
from tests.unit.runner.stage import WHOLE, Stage, fault, stage
from unstuck.errors import HarnessError
from unstuck.scenario import OnOp, OnPoint
from unstuck.targets.port import Reply

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


# hang_here


def test_a_process_that_hangs_stands_until_it_is_healed() -> None:
    """It is told nothing when the blow lands, and to go on when its time is over."""
    with stage(fault("hang_here", PLACE, {"for_s": 5})) as made:
        stand = struck(made)
        assert landed(made)["jobs"] == ["j-1"]
        assert stand.told == []
        made.after(5)
        assert made.history.faults(0) == [*WHOLE, "healed"]
        assert stand.told == ["go"]


def test_nobody_hangs_where_nobody_stands() -> None:
    """A trigger without a place has nobody to keep."""
    with stage(fault("hang_here", ACTIVE, {"for_s": 5})) as made:
        struck(made, ACTIVE)
        assert "the trigger has to be a test point" in why_missed(made)


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


# manual_update


def seen_by_hand(made: Stage, *jobs: str) -> None:
    for job in jobs:
        made.engine.emit(
            "transition",
            job=job,
            by="operator",
            attempt=0,
            token=0,
            to="queued",
            **dict[str, Any]({"from": "awaiting_upload"}),
        )


def test_an_update_by_hand_has_landed_when_each_row_was_seen_to_change() -> None:
    """The statement's own word is not enough: our trigger has to have seen it."""
    with stage(fault("manual_update", PLACE, {"job": "job"})) as made:
        made.running.abilities["manual_update"] = {"jobs": ["j-1", "j-2"]}
        struck(made)
        seen_by_hand(made, "j-1")
        assert made.history.faults(0) == ["armed", "fired"]
        seen_by_hand(made, "j-2")
        made.after(0.1)
        assert landed(made)["jobs"] == ["j-1", "j-2"]
        wanted = {"job": None, "tag": "job", "was": "awaiting_upload", "state": "queued"}
        assert ("manual_update", wanted) in made.running.done


def test_an_update_by_hand_that_nobody_saw_has_missed() -> None:
    """Nor does it count when no row fitted, or when it was about a job that is not there."""
    with stage(fault("manual_update", PLACE)) as made:
        made.running.abilities["manual_update"] = {"jobs": ["j-9"]}
        struck(made)
        made.after(11)
        assert why_missed(made) == "not seen to change: j-9"
    with stage(fault("manual_update", PLACE, {"was": "active"})) as made:
        made.running.abilities["manual_update"] = {"jobs": []}
        struck(made)
        assert why_missed(made) == "no such job was active"
    with stage(fault("manual_update", OnPoint(point="relay.tick"), {"which": "here"})) as made:
        made.begin()
        made.stand(None, "relay.tick")
        made.after(0.1)
        assert why_missed(made) == "no job stood at the place"


# faults on messages


@pytest.mark.parametrize(
    ("name", "given", "outcome"),
    [
        ("swallow", {}, "answered"),
        ("cut_message", {}, "cut"),
        ("drop_message", {}, "dropped"),
        ("error_message", {}, "error"),
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


def test_a_message_is_held_until_its_time_is_over_or_it_is_healed() -> None:
    """Landed when the link says that it holds it; healed is let go, and that message only."""
    for healed_early in (False, True):
        with stage(
            fault("hold_message", MESSAGE, {"for_s": 5}), fault("heal", OnOp(op="cancel"), {"fault": 0})
        ) as made:
            made.begin()
            assert ("arm", "fault-0", "hold") in made.running.done
            made.history.emit("message", "matched", job="j-1", rule="fault-0", nth=1)
            made.after()
            assert made.history.faults(0) == ["armed", "fired"]
            made.history.emit("message", "held", rule="fault-0", nth=1, label="Send", link="relay-1.queue")
            made.after(0.1)
            assert landed(made)["how"] == "Send on relay-1.queue: held"
            if healed_early:
                made.history.emit("op", "ok", job="j-1", id="1", action="cancel")
            assert not [one for one in made.running.done if one[0] == "release"]
            made.after(0.1 if healed_early else 5)
            assert made.history.faults(0) == ["armed", "fired", "landed", "healed"]
            assert [one for one in made.running.done if one[0] == "release"] == [
                ("release", "fault-0", "forward", 1)
            ]


def test_a_message_that_the_link_never_held_has_missed() -> None:
    """Silence is no landing, and what may be held is let go all the same."""
    with stage(fault("hold_message", MESSAGE, {"for_s": 5})) as made:
        made.begin()
        made.history.emit("message", "matched", rule="fault-0", nth=1)
        made.after(31)
        assert why_missed(made) == "the link never said that it holds the message (fault-0)"
        assert ("release", "fault-0", "forward", 1) in made.running.done


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


# back_up, migrate, restore_backup


def test_a_back_up_has_landed_when_it_reads_back_whole() -> None:
    """As many rows as the snapshot had."""
    found = {"rows": 9, "read_back": 9, "tables": ["jobs"], "revision": "0001"}
    with stage(fault("back_up", PLACE)) as made:
        made.running.abilities["back_up"] = found
        struck(made)
        assert landed(made)["how"] == "9 rows of 1 tables at revision 0001"
    with stage(fault("back_up", PLACE)) as made:
        made.running.abilities["back_up"] = {**found, "read_back": 8}
        struck(made)
        assert why_missed(made) == "8 of 9 rows read back"


def test_a_migration_has_landed_when_the_revision_is_there() -> None:
    """What it says of itself is not enough."""
    found = {"before": "0001", "revision": "0003", "wanted": "0003", "said": "upgraded", "enums": []}
    with stage(fault("migrate", PLACE)) as made:
        made.running.abilities["migrate"] = found
        struck(made)
        assert (landed(made)["how"], landed(made)["revision"]) == ("upgraded", "0003")
    with stage(fault("migrate", PLACE)) as made:
        made.running.abilities["migrate"] = {**found, "revision": "0001"}
        struck(made)
        assert why_missed(made) == "revision=0001, not 0003: upgraded"


def test_a_restore_stops_all_puts_back_and_starts_all() -> None:
    """In this order, so that nobody works on what is being put back."""
    found = {"rows": 9, "read_back": 9, "jobs": ["j-1"], "gone": ["j-2"], "said": "upgraded"}
    with stage(fault("restore_backup", PLACE, {"roles": ("worker",)})) as made:
        made.running.abilities["restore_backup"] = found
        struck(made)
        made.after(12)
        assert (landed(made)["gone"], landed(made)["jobs"]) == (["j-2"], ["j-1"])
        done = [one[0] for one in made.world.done if one[0] in {"stop", "start"}]
        assert done[-4:] == ["stop", "stop", "start", "start"]
