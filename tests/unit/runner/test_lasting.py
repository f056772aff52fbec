"""What lasts is healed: once, every stroke of it, in time or in teardown, and never after the run."""

from __future__ import annotations

from tests.unit.runner.stage import FRAMES, STARTED, WHOLE, at_frames, fault, stage
from unstuck.errors import HarnessError
from unstuck.scenario import (
    OnFault,
    OnOp,
    OnPoint,
    OnStart,
    OnState,
)


def test_set_up_lands_before_the_first_client_and_lasts_beside_it() -> None:
    """`when: start` returns as soon as it has landed; what lasts is healed when its time is over."""
    with stage(fault("pause", OnStart(), {"role": "worker", "which": "all", "for_s": 5})) as made:
        made.begin()
        assert made.scheduler.now_ns() < 1e9
        assert made.history.faults(0) == WHOLE
        assert made.history.of("fault", "armed")[0].data["setup"] is True
        made.after(4.8)
        assert made.history.faults(0) == WHOLE
        made.after(0.4)
        assert made.history.faults(0) == [*WHOLE, "healed"]
        assert made.engine.idle
        assert made.engine.blows == 2


def test_what_lasts_is_healed_once_whoever_comes_first() -> None:
    """Healed early by another fault; its own time, and the teardown, find nothing left to heal."""
    with stage(
        fault("pause", OnState(state="active"), {"role": "worker", "which": "all", "for_s": 5}),
        fault("heal", OnOp(op="put_object"), {"fault": 0}),
        fault("heal", OnOp(op="put_object", nth=2), {"fault": 0}),
    ) as made:
        made.begin()
        made.job()
        made.after(1)
        made.history.emit("op", "ok", job="j-1", id="1", action="put_object")
        made.after(1)
        assert made.history.faults(0) == [*WHOLE, "healed"]
        assert made.history.faults(1) == WHOLE
        made.history.emit("op", "ok", job="j-1", id="2", action="put_object")
        made.after(10)
        made.engine.heal_all()
        assert made.history.faults(2) == ["armed", "fired", "missed"]
        assert [call for call in made.world.done if call[0] == "SIGCONT"] == [
            ("SIGCONT", "worker-1", "tree"),
            ("SIGCONT", "worker-2", "tree"),
        ]


def test_a_fault_may_be_healed_the_moment_it_has_landed() -> None:
    """Whoever hears of the landing finds it lasting already."""
    with stage(
        fault("pause", OnState(state="active"), {"role": "worker", "which": "all", "for_s": 5}),
        fault("heal", OnFault(fault=0, phase="landed"), {"fault": 0}),
    ) as made:
        made.begin()
        made.job()
        made.after()
        assert made.history.faults(0) == [*WHOLE, "healed"]
        assert made.history.faults(1) == WHOLE


def test_every_stroke_that_lasts_is_healed() -> None:
    """A second pause by the same fault does not make the first one for ever."""
    pause = fault("pause", OnPoint(point=STARTED), {"role": "worker", "which": "any", "for_s": 2}, each=True)
    with stage(pause) as made:
        made.begin()
        made.job()
        made.stand()
        made.after(1)
        made.stand()
        made.after(1.1)
        assert len(made.history.of("fault", "healed")) == 1
        made.after(1)
        assert len(made.history.of("fault", "healed")) == 2
        assert made.engine.idle


def test_teardown_waits_until_everything_is_healed() -> None:
    """A healing that takes its time (a process has to get ready) is over when `heal_all` returns."""
    with stage(fault("down", OnState(state="active"), {"role": "worker", "for_s": 9, "grace_s": 0})) as made:
        made.begin()
        made.job()
        made.after(1)
        made.engine.heal_all()
        assert made.history.faults(0) == [*WHOLE, "healed"]
        assert made.engine.idle
        assert made.world.running("worker") == ["worker-3", "worker-4"]


def test_what_lands_in_part_is_undone() -> None:
    """One of two got SIGSTOP: the fault missed, and nobody stays paused."""
    with stage(
        fault("pause", OnState(state="active"), {"role": "worker", "which": "all", "for_s": 5})
    ) as made:
        made.world.deaf.add("worker-2")
        made.begin()
        made.job()
        made.after()
        assert made.history.faults(0) == ["armed", "fired", "missed"]
        assert ("SIGCONT", "worker-1", "tree") in made.world.done
        assert made.engine.idle
        assert made.engine.error is None


def test_a_successor_that_does_not_start_is_the_harness_s_matter() -> None:
    """The fault missed, the error names the fault, and the process at the place goes on."""
    replace = fault("rolling_replace", FRAMES, {"role": "worker", "grace_s": 0})
    with stage(replace) as made:
        made.world.refuses.add("worker-3")
        made.begin()
        made.job()
        stand = at_frames(made)
        made.after(1)
        assert made.history.faults(0) == ["armed", "fired", "missed"]
        assert isinstance(made.engine.error, HarnessError)
        assert str(made.engine.error).startswith("fault 0 (rolling_replace) could not be carried out")
        assert stand.told == ["go"]
        assert made.engine.idle


def test_a_healing_that_fails_is_told() -> None:
    """A role that does not come back must not be judged in silence."""
    with stage(fault("down", OnState(state="active"), {"role": "worker", "for_s": 1, "grace_s": 0})) as made:
        made.world.refuses.add("worker-3")
        made.begin()
        made.job()
        made.after(2)
        assert "could not be healed" in str(made.engine.error)
        assert made.history.faults(0) == WHOLE
        assert made.engine.idle


def test_an_undoing_that_fails_is_told() -> None:
    """Two workers were told to go, one stayed; the other one's successor does not start."""
    with stage(fault("down", OnState(state="active"), {"role": "worker", "for_s": 1, "grace_s": 0})) as made:
        made.world.refuses.add("worker-3")
        made.world.stays.add("worker-2")
        made.begin()
        made.job()
        made.after(30)
        assert made.history.faults(0) == ["armed", "fired", "missed"]
        assert "could not be undone" in str(made.engine.error)


def test_a_pause_that_outlives_the_run_heals_nothing_afterwards() -> None:
    """Teardown heals before it closes; later nothing may be started or signalled any more."""
    with stage(
        fault("pause", OnState(state="active"), {"role": "worker", "which": "all", "for_s": 50})
    ) as made:
        made.begin()
        made.job()
        made.after()
        made.engine.heal_all()
        made.engine.close()
        before = list(made.world.done)
        made.after(60)
        assert made.world.done == before
