"""The engine fires each fault at its exact place, once, and lets nobody stand there for ever."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.runner.stage import FRAMES, KILL_HERE, STARTED, WHOLE, Stage, at_frames, fault, stage
from unstuck.errors import HarnessError, UsageError
from unstuck.scenario import (
    Condition,
    OnFault,
    OnMessage,
    OnOp,
    OnPoint,
    OnStart,
    OnState,
    OnTime,
)


def test_a_fault_strikes_where_its_trigger_says_and_only_then_the_process_goes_on() -> None:
    """The kill is out before the answer; the history tells of both, in that order."""
    with stage(fault("kill", FRAMES, KILL_HERE)) as made:
        made.begin()
        made.job()
        stand = at_frames(made)
        assert made.history.faults(0) == WHOLE
        assert stand.told == ["go"]
        order = [(e.kind, e.phase) for e in made.history.events]
        assert order.index(("process", "exit")) < order.index(("point", "released"))
        landed = made.history.of("fault", "landed")[0]
        assert (landed.job, landed.process, landed.data["in_flight"]) == ("j-1", "worker-1", 1)
        assert made.engine.idle
        assert made.engine.all_fired


def test_once_is_once_and_everybody_else_goes_on() -> None:
    """The second arrival at the same place is let go at once, and its release is told as well."""
    with stage(fault("kill", FRAMES, KILL_HERE)) as made:
        made.begin()
        made.job()
        at_frames(made)
        assert at_frames(made).told == ["go"]
        assert made.history.faults(0) == WHOLE
        released = made.history.of("point", "released")
        assert [e.data["directive"] for e in released] == ["go", "go"]
        assert all(e.data["stage"] == "frames" for e in released)


@pytest.mark.parametrize(("each", "nth", "fired"), [(False, 2, 1), (True, 1, 3), (True, 2, 2)])
def test_nth_counts_arrivals_and_each_goes_on_from_there(each: bool, nth: int, fired: int) -> None:
    """`once` strikes at the nth alone, `each` at the nth and all that follow."""
    when = OnPoint(point=STARTED, stage="frames", nth=nth)
    with stage(fault("crash_here", when, each=each)) as made:
        made.begin()
        made.job()
        for _ in range(3):
            made.stage_of("j-1", "frames")
            made.stand(stage="frames", attempt=1).dies_of = {"crash"}
            made.after()
        for phase in ("fired", "landed"):  # numbered, so that a check can pair them
            blows = [event.data["blow"] for event in made.history.of("fault", phase)]
            assert blows == list(range(1, fired + 1))


def test_faults_at_one_place_count_their_arrivals_apart() -> None:
    """One that waits for the second arrival counts the first, though another fault strikes there."""
    second = OnPoint(point=STARTED, nth=2)
    with stage(fault("complete_again", OnPoint(point=STARTED)), fault("complete_again", second)) as made:
        made.begin()
        made.job()
        made.stand()
        made.after()
        assert (made.history.faults(0), made.history.faults(1)) == (WHOLE, ["armed"])
        made.stand()
        made.after()
        assert made.history.faults(1) == WHOLE


def test_two_faults_at_one_arrival_share_the_place() -> None:
    """The process goes on when both have let it go, and an order to crash beats the other's `go`."""
    with stage(
        fault("crash_here", OnPoint(point=STARTED)), fault("complete_again", OnPoint(point=STARTED))
    ) as made:
        made.begin()
        made.job()
        stand = made.stand()
        stand.dies_of = {"crash"}
        made.after(0.1)
        assert stand.told == ["crash"]
        assert made.history.faults(0) == made.history.faults(1) == WHOLE


def test_a_place_is_judged_only_after_its_state_was_seen() -> None:
    """A process is at a stage before the trigger tells us; until then `while:` would see the past."""
    condition = Condition(subject="active_jobs", comparison=">=", number=1)
    with stage(fault("kill", FRAMES, KILL_HERE, condition=condition)) as made:
        made.begin()
        stand = made.stand(stage="frames", attempt=1)
        made.after(0.5)
        assert not stand.told  # nothing is known of the job
        made.job()
        made.after(0.5)
        assert not stand.told  # its stage is another one
        made.stage_of("j-1", "frames")
        made.after()
        assert stand.told
        seen = made.history.of("fault", "fired")[0].data["condition"]
        assert seen == {"wanted": "active_jobs >= 1", "seen": 1, "held": True}


def test_a_place_is_judged_after_two_seconds_anyway() -> None:
    """A notice that never comes must hold nobody for ever; the condition then says what was seen."""
    condition = Condition(subject="active_jobs", comparison=">=", number=1)
    with stage(fault("kill", FRAMES, KILL_HERE, condition=condition)) as made:
        made.begin()
        stand = made.stand(stage="frames", attempt=1)
        made.after(1.9)
        assert not stand.told
        made.after(0.2)
        assert stand.told == ["go"]
        assert made.history.of("fault", "fired")[0].data["condition"]["held"] is False


def test_a_process_that_died_at_a_place_is_struck_no_more() -> None:
    """Its successor of the same name stands nowhere: the fault waits for the next arrival."""
    with stage(fault("kill", FRAMES, KILL_HERE)) as made:
        made.begin()
        made.job()
        stand = made.stand(stage="frames", attempt=1)
        stand.dead = True
        made.stage_of("j-1", "frames")
        made.after()
        assert made.history.faults(0) == ["armed"]
        assert made.engine.idle


def test_a_place_without_a_job_is_judged_at_once() -> None:
    """There is nothing to catch up with."""
    with stage(fault("kill", OnPoint(point="relay.tick"), KILL_HERE)) as made:
        made.begin()
        stand = made.stand(None, "relay.tick")
        made.after()
        assert stand.told == ["go"]


def test_states_ops_faults_and_times_fire_without_a_place() -> None:
    """Each kind of trigger fires from its own events, chained ones from another fault's landing."""
    with stage(
        fault("kill", OnState(state="active"), {"role": "worker"}),
        fault("complete_again", OnOp(op="put_object")),
        fault("kill", OnFault(fault=0, phase="landed"), {"role": "worker"}),
        fault("rolling_replace", OnTime(at_s=3), {"role": "worker", "grace_s": 0}),
    ) as made:
        made.begin()
        made.job()
        made.history.emit("op", "ok", job="j-1", id="1", action="put_object")
        made.after()
        assert [made.history.faults(n) for n in range(3)] == [WHOLE] * 3
        made.world.come("worker-3")
        made.after(2.9)
        assert made.history.faults(3) == ["armed"]
        assert not made.engine.all_fired
        made.after(0.2)
        assert made.history.faults(3) == WHOLE
        assert made.history.of("fault", "fired")[-1].data["trigger"] == -1


def test_a_message_trigger_is_counted_by_the_link() -> None:
    """The rule says which message; the engine fires at each match of it, and lets a held one go."""
    swallow = fault("swallow", OnMessage(message="Send*", link="relay.queue", nth=3))
    kill = fault("kill", OnMessage(message="COMMIT", link="worker.database", nth=2), {"role": "worker"})
    with stage(swallow, kill) as made:
        made.begin()
        assert made.running.done == [("arm", "fault-0", "answer"), ("arm", "fault-1", "hold")]
        made.job()
        made.history.emit("message", "matched", rule="fault-0", nth=3)
        made.history.emit("message", "matched", rule="fault-1", nth=2)
        made.after()
        assert ("release", "fault-1", "forward", 2) in made.running.done
        assert made.history.faults(1) == WHOLE
        assert made.history.faults(0) == ["armed", "fired"]
        made.history.emit("message", "done", rule="fault-0", nth=3, outcome="answered", facts={"id": "j-1"})
        made.after()
        assert made.history.faults(0) == WHOLE
        assert made.history.of("fault", "landed")[-1].data["jobs"] == ["j-1"]


def test_a_fault_at_the_first_few_messages_strikes_at_each_of_them() -> None:
    """And has to land each time; one that is held is let go alone, not with those still to be struck."""
    errors = fault("error_message", OnMessage(message="Send*", link="relay.queue", first=2))
    kills = fault("kill", OnMessage(message="COMMIT", link="worker.database", first=2), {"role": "worker"})
    with stage(errors, kills) as made:
        made.begin()
        for nth in (1, 2):
            made.history.emit("message", "matched", rule="fault-0", nth=nth)
            made.history.emit("message", "done", rule="fault-0", nth=nth, outcome="error")
            made.history.emit("message", "matched", rule="fault-1", nth=nth)
            made.after()
            assert [one for one in made.running.done if one[0] == "release"][nth - 1 :] == [
                ("release", "fault-1", "forward", nth)
            ]
        assert made.history.faults(0) == [*WHOLE, "fired", "landed"]
        assert made.history.faults(1) == [*WHOLE, "fired", "landed"]
        made.history.emit("message", "matched", rule="fault-0", nth=3)
        made.after()
        assert made.history.faults(0) == [*WHOLE, "fired", "landed"]


@pytest.mark.parametrize(("then", "released"), [("forward", "forward"), ("cut", "cut")])
def test_a_message_that_waited_goes_on_or_is_cut_off_once_the_blow_is_dealt(then: Any, released: str) -> None:
    """As the trigger says: bytes on their way, or a sender that died before it sent them."""
    when = OnMessage(message="COMMIT", link="worker.database", then=then)
    with stage(fault("kill", when, {"role": "worker", "which": "any"})) as made:
        made.begin()
        made.history.emit("message", "matched", rule="fault-0", nth=1)
        made.after()
        assert made.history.faults(0) == WHOLE
        assert ("release", "fault-0", released, 1) in made.running.done


def test_a_late_message_waits_for_the_end_of_a_lasting_fault() -> None:
    """It goes on when its sender wakes, and not before: as a write does whose lease is long over."""
    when = OnMessage(message="COMMIT", link="worker.database", then="late")
    with stage(fault("pause", when, {"role": "worker", "which": "any", "for_s": 5})) as made:
        made.begin()
        made.history.emit("message", "matched", rule="fault-0", nth=1)
        made.after(4)
        assert made.history.faults(0) == WHOLE
        assert not [one for one in made.running.done if one[0] == "release"]
        made.after(2)
        assert made.history.faults(0) == [*WHOLE, "healed"]
        assert made.running.done[-1] == ("release", "fault-0", "forward", 1)


def test_a_late_message_goes_on_where_the_blow_missed() -> None:
    """Nobody waits for the end of what never began."""
    when = OnMessage(message="COMMIT", link="worker.database", then="late")
    with stage(fault("pause", when, {"role": "nobody", "which": "any", "for_s": 5})) as made:
        made.begin()
        made.history.emit("message", "matched", rule="fault-0", nth=1)
        made.after()
        assert made.history.faults(0) == ["armed", "fired", "missed"]
        assert made.running.done[-1] == ("release", "fault-0", "forward", 1)


def test_a_link_that_is_gone_does_not_keep_a_fault_under_way() -> None:
    """What it held went with it: the error is told, and the run can end."""
    kill = fault("kill", OnMessage(message="COMMIT", link="worker.database"), {"role": "worker"})
    with stage(kill) as made:
        made.begin()

        def broken(rule_id: str, then: str, nth: int | None = None) -> None:
            raise HarnessError(f"links: the proxy is gone ({rule_id}, {then}, {nth})")

        made.running.release_message = broken  # type: ignore[method-assign]  # a fake that fails
        made.history.emit("message", "matched", rule="fault-0", nth=1)
        made.after()
        assert made.history.faults(0) == ["armed", "fired", "missed"]
        assert made.engine.error is not None
        assert made.engine.idle


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (fault("swallow", OnStart()), "done by a link"),
        (fault("kill", OnMessage(message="*", link="a.b"), {"role": "worker"}, each=True), "Name one with"),
        (fault("error_message", OnMessage(message="*", link="a.b", on="reply")), "acts on requests"),
    ],
)
def test_a_trigger_that_cannot_be_served_is_refused_before_anything_starts(wrong: object, says: str) -> None:
    """One line, which names the fault and what to write instead."""
    with pytest.raises(UsageError, match=rf"faults\[0\].*{says}"):
        Stage(wrong)  # type: ignore[arg-type]  # a Fault


def test_an_error_of_the_engine_ends_the_run_and_holds_nobody() -> None:
    """It is told as a harness error; the process at the point goes on, and so does the engine."""
    with stage(fault("kill", FRAMES, KILL_HERE)) as made:
        made.begin()
        made.history.fails_at = ("point", "reached")
        stand = at_frames(made)
        assert stand.told == ["go"]
        assert str(made.engine.error) == ("the engine: RuntimeError('point reached cannot be recorded')")
        assert made.engine.until(lambda: True, 1)


def test_only_the_first_error_is_kept() -> None:
    """What follows from it would hide it."""
    with stage() as made:
        made.engine.fail("first", HarnessError("a"))
        made.engine.fail("second", HarnessError("b"))
        assert str(made.engine.error) == "first: a"


def test_closing_lets_everybody_go() -> None:
    """Who stands at a point, who comes after, and who waits for something that will not be."""
    with stage(fault("kill", FRAMES, KILL_HERE)) as made:
        made.begin()
        waits = made.stand(stage="frames", attempt=1)
        made.after()
        seen: list[bool] = []
        made.scheduler.spawn("waiter", lambda: seen.append(made.engine.until(lambda: False, 60)))
        made.after()
        unread = made.stand("j-2", stage="frames", attempt=1)
        made.engine.close()
        late = made.stand("j-3", stage="frames", attempt=1)
        made.after()
        assert waits.told == unread.told == late.told == ["go"]
        assert seen == [False]
        assert made.scheduler.now_ns() < 1e9
        assert not made.engine.until(lambda: False, 60)
        assert made.engine.until(lambda: True, 60)
