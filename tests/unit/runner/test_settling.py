"""When the recovery budget begins, when it begins again, and when a run has settled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.runner.bench import Bench
from tests.unit.runner.stage import Stand, fault, in_turn
from unstuck.errors import HarnessError
from unstuck.runner import run
from unstuck.scenario import (
    Initiate,
    OnPoint,
    OnState,
    Upload,
)


def test_a_job_that_ends_never_uses_up_the_budget(bench: Bench) -> None:
    """It is waited for as long as the budget, counted from its own event, and looked at all the same."""
    bench.target.life = lambda: bench.target.move("queued")
    bench.run(budget_s=5)
    assert bench.end == {"reason": "budget"}
    begun, ended = bench.of("run", "budget")[0], bench.of("run", "end")[0]
    assert 5e9 <= ended.at_ns - begun.at_ns < 5.1e9
    assert ("look",) in bench.target.running.done


def test_a_job_whose_notice_is_late_is_waited_for(bench: Bench) -> None:
    """The client has its answer, the trigger's notice comes a second later: the run must not end before."""
    bench.uploads = (Upload(steps=(Initiate(),)),)

    def later(action: str, _: Mapping[str, Any]) -> None:
        bench.scheduler.spawn(
            "notice", in_turn(lambda: bench.sleep(1), lambda: bench.target.move("succeeded"))
        )

    bench.target.running.on_call = later
    bench.run()
    assert bench.end == {"reason": "settled"}
    assert bench.of("run", "end")[0].at_ns >= 1e9


def test_the_budget_begins_when_every_role_is_up_again(bench: Bench) -> None:
    """A process that runs and is not ready yet is not up."""

    back = in_turn(lambda: bench.sleep(3.5), lambda: bench.world.come("worker-1"))
    bench.scheduler.spawn("supervisor", back)
    bench.target.life = lambda: bench.target.move("active", worker="worker-1")
    bench.run(fault("kill", OnState(state="active"), {"role": "worker"}), budget_s=1)
    [landed], [budget] = bench.of("fault", "landed"), bench.of("run", "budget")
    assert landed.at_ns < 1e9
    assert budget.at_ns >= 3.5e9


def test_a_role_that_does_not_come_back_makes_the_run_an_error(bench: Bench) -> None:
    """Nothing may be judged: the budget never began. The message names role and count."""
    bench.target.life = lambda: bench.target.move("active", worker="worker-1")
    with pytest.raises(HarnessError, match=r"roles: worker \(1 of 2 ready\) 20 s after"):
        bench.run(fault("kill", OnState(state="active"), {"role": "worker"}))
    assert bench.end["reason"] == "error"
    assert not bench.of("run", "budget")
    assert bench.target.running.closed == 1


def test_the_budget_begins_again_when_a_fault_strikes_within_it(bench: Bench) -> None:
    """A poison job strikes at each attempt: the last blow begins the budget that is judged by."""
    stands: list[Stand] = []

    def attempts() -> None:
        for attempt in (1, 2, 3):
            bench.target.move("active", attempt=attempt)
            bench.target.emit("stage", job="j-1", stage="frames", attempt=attempt, token=attempt)
            stand = Stand()
            stand.dies_of = {"crash"}
            stands.append(stand)
            bench.target.on_point(stand.at("worker.stage.started", "j-1", stage="frames", attempt=attempt))
            bench.sleep(4)
        bench.target.move("failed", reason="crashed")

    bench.target.life = attempts
    bench.run(fault("crash_here", OnPoint(point="worker.stage.started"), each=True), budget_s=9)
    landed, begun = bench.of("fault", "landed"), bench.of("run", "budget")
    assert len(landed) == 3
    assert len(begun) == 3
    assert begun[-1].number > landed[-1].number
    assert bench.end == {"reason": "settled"}


def test_a_fault_that_never_ends_does_not_put_the_judgement_off_for_ever(bench: Bench) -> None:
    """The budget begins again within its own length and ten times at most; then it is the last one."""

    def for_ever() -> None:
        while True:
            bench.target.move("active")
            bench.sleep(0.5)

    bench.target.life = for_ever
    poison = fault("kill", OnState(state="active"), {"role": "worker", "scope": "child"}, each=True)
    bench.run(poison, budget_s=6)
    assert bench.end == {"reason": "budget"}
    assert len(bench.of("run", "budget")) == run.BUDGETS_MAX
    assert bench.of("run", "end")[0].at_ns < 13e9


def test_late_events_are_let_in_before_the_last_look(bench: Bench) -> None:
    """The queue is not empty yet: the run waits; a job that comes alive again is no settled one."""
    bench.target.running.quiets = [False, False, True]
    bench.run()
    assert bench.target.running.quiets == []
    assert bench.end == {"reason": "settled"}


def test_a_target_that_never_gets_quiet_is_told_of(bench: Bench) -> None:
    """After a while the look is taken all the same, and the history says so."""
    bench.target.running.quiet = lambda: False  # type: ignore[method-assign]  # a fake that never rests
    bench.run()
    assert bench.of("evidence", "not_quiet")
    assert bench.end == {"reason": "settled"}


def test_a_job_that_comes_alive_while_it_gets_quiet_is_waited_for(bench: Bench) -> None:
    """It gets the whole budget before anybody says that it is stuck."""
    asked: list[int] = []

    def quiet() -> bool:
        asked.append(1)
        if len(asked) == 1:
            bench.target.move("queued")
            bench.scheduler.spawn(
                "again", in_turn(lambda: bench.sleep(3), lambda: bench.target.move("succeeded"))
            )
            bench.sleep(0.01)
        return True

    bench.target.running.quiet = quiet  # type: ignore[method-assign]  # a fake with a story
    bench.run()
    assert len(bench.of("run", "budget")) == 2
    assert bench.end == {"reason": "settled"}
