"""What the runner and the faults may rely on in every world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.conformance.worlds.conftest import WITHIN_S, Stage
from unstuck.errors import TargetError, UsageError
from unstuck.worlds.port import Restart, Task


def test_a_start_returns_when_it_is_ready(stage: Stage) -> None:
    """Whoever has started a process finds it running, and was told of its start and of its readiness."""
    stage.start("careful")
    assert stage.world.running("w") == ["w-1"]
    start, ready = stage.wait("w-1", "start"), stage.wait("w-1", "ready")
    assert start.data["pid"] == ready.data["pid"]
    assert start.at_ns <= ready.at_ns
    assert ready.role == "w"


def test_running_names_the_oldest_first(stage: Stage) -> None:
    """The order is that of the starts, and other roles are left out."""
    for name in ("w-2", "w-1"):
        stage.start("careful", name)
    assert stage.world.running("w") == ["w-2", "w-1"]
    assert stage.world.running("api") == []


def test_a_name_that_runs_cannot_be_started_again(stage: Stage) -> None:
    """Two processes of one name could not be told apart."""
    stage.start("careful")
    with pytest.raises(TargetError, match="running already"):
        stage.start("careful")


def test_a_process_that_dies_at_once_is_a_failed_start(stage: Stage) -> None:
    """The first start is not repeated: whoever asked for it hears that it failed."""
    with pytest.raises(TargetError, match="'w-1'"):
        stage.start("dead")
    assert stage.world.running("w") == []


def ask(stage: Stage, signal: str, phase: str, number: int = 1) -> None:
    """Sends `waiting` the signal until it has heard, and the `number`-th such event is there."""
    deadline_ns = stage.world.scheduler.now_ns() + int(WITHIN_S * 1e9)
    while len(stage.of("w-1", phase)) < number:
        assert stage.world.scheduler.now_ns() < deadline_ns, stage.events
        stage.world.signal("w-1", signal)
        stage.world.scheduler.sleep(0.01)


def begin(stage: Stage, **given: Any) -> tuple[Task, list[str]]:
    """Starts `waiting` in a task of its own; whoever waits for it is told there why it failed."""
    told: list[str] = []

    def start() -> None:
        try:
            stage.world.start(replace(stage.spec("waiting"), **given))
        except TargetError as error:
            told.append(str(error))

    return stage.world.scheduler.spawn("start", start), told


def test_a_blow_of_ours_before_it_is_ready_is_followed_by_a_restart(stage: Stage) -> None:
    """As in production; the first start is not over before the next incarnation is ready."""
    task = stage.world.scheduler.spawn("start", lambda: stage.start("waiting"))
    first = stage.wait("w-1", "start").data["pid"]
    got = stage.world.signal("w-1", "SIGKILL", "tree")
    assert stage.world.wait_gone("w-1", got, 10)
    stage.wait("w-1", "start", 2)
    ask(stage, "SIGWINCH", "ready")
    task.join(20)
    assert stage.world.running("w") == ["w-1"]
    assert stage.wait("w-1", "exit").data["pid"] == first
    assert stage.wait("w-1", "ready").data["pid"] != first


def test_what_follows_such_a_blow_is_no_failed_start_either(stage: Stage) -> None:
    """It ends by itself before it is ready, and is started again, as one that was ready once would be."""
    # A signal that was sent after a look may come to the incarnation after that: one exit more, and no end.
    spec = replace(stage.spec("waiting"), restart=Restart(delay_s=0.05))
    task = stage.world.scheduler.spawn("start", lambda: stage.world.start(spec))
    stage.wait("w-1", "start")
    stage.world.signal("w-1", "SIGKILL", "tree")
    stage.wait("w-1", "start", 2)
    ask(stage, "SIGURG", "exit", 2)
    ask(stage, "SIGWINCH", "ready")
    task.join(20)
    assert [event.data["code"] for event in stage.of("w-1", "exit")][:2] == [None, 3]
    assert stage.world.running("w") == ["w-1"]


def test_who_waits_for_what_was_hit_waits_no_longer_than_else(stage: Stage) -> None:
    """And hears why; its supervisor goes on all the same, as it does with one that was ready once."""
    task, told = begin(stage, ready_timeout_s=2.0, restart=Restart(delay_s=3))
    stage.wait("w-1", "start")
    stage.world.signal("w-1", "SIGKILL", "tree")
    task.join(20)
    assert [text.startswith("process 'w-1'") for text in told] == [True]
    assert not stage.of("w-1", "restart")
    stage.wait("w-1", "start", 2)
    ask(stage, "SIGWINCH", "ready")
    assert stage.world.running("w") == ["w-1"]


def test_who_was_frozen_before_it_was_ready_is_restarted_when_its_time_is_over(stage: Stage) -> None:
    """Whoever waits for it hears that it was not ready, and its role is not left without it."""
    task, told = begin(stage, ready_timeout_s=2.0)
    stage.wait("w-1", "start")
    stage.world.signal("w-1", "SIGSTOP")
    task.join(20)
    assert [text.startswith("process 'w-1'") for text in told] == [True]
    stage.wait("w-1", "start", 2)
    ask(stage, "SIGWINCH", "ready")
    assert stage.world.running("w") == ["w-1"]


def test_who_stops_what_was_hit_before_it_was_ready_ends_its_start(stage: Stage) -> None:
    """Whoever waits for it hears that it failed, and nothing is started again."""
    task, told = begin(stage, restart=Restart(delay_s=10))
    stage.wait("w-1", "start")
    stage.world.signal("w-1", "SIGKILL", "tree")
    stage.wait("w-1", "exit")
    stage.world.scheduler.sleep(0.3)
    asked_ns = stage.world.scheduler.now_ns()
    stage.world.stop("w-1", grace_s=1)
    task.join(20)
    assert stage.world.scheduler.now_ns() - asked_ns < 5e9  # it may take 20 s to get ready
    assert [text.startswith("process 'w-1'") for text in told] == [True]
    assert (stage.world.running("w"), stage.of("w-1", "restart")) == ([], [])


def test_a_process_that_is_never_ready_is_a_failed_start(stage: Stage) -> None:
    """The wait has an end, and nothing is left running."""
    with pytest.raises(TargetError, match="not ready within"):
        stage.world.start(replace(stage.spec("silent"), ready_timeout_s=0.5))
    assert stage.world.running("w") == []


def test_a_stop_lets_it_end_in_good_order(stage: Stage) -> None:
    """The stop signal, an exit within the grace, and no restart."""
    stage.start("careful")
    stage.world.stop("w-1", grace_s=10)
    told = stage.wait("w-1", "signal")
    end = stage.wait("w-1", "exit")
    assert told.data["signal"] == "SIGTERM"
    assert (end.data["code"], end.data["signal"], end.data["expected"]) == (0, None, True)
    assert end.data["took_s"] < end.data["grace_s"] == 10
    assert stage.world.running("w") == []
    assert not stage.of("w-1", "restart")


def test_a_stop_kills_who_does_not_end(stage: Stage) -> None:
    """When the grace is over SIGKILL follows, and the stop returns when it is gone."""
    stage.start("stubborn")
    stage.world.stop("w-1", grace_s=0.2)
    end = stage.wait("w-1", "exit")
    assert (end.data["code"], end.data["signal"]) == (None, "SIGKILL")
    assert end.data["took_s"] >= 0.2
    assert stage.world.running("w") == []


def test_stopping_nobody_is_fine(stage: Stage) -> None:
    """A fault may stop what has ended meanwhile."""
    stage.world.stop("w-9", grace_s=1)
    stage.world.retire("w-9")


def test_a_kill_is_followed_by_a_restart(stage: Stage) -> None:
    """SIGKILL reaches the process, its exit says so, and the supervisor starts another one of its name."""
    stage.start("careful")
    first = stage.wait("w-1", "start").data["pid"]
    got = stage.world.signal("w-1", "SIGKILL", "tree")
    assert first in got
    assert stage.world.wait_gone("w-1", got, 10)
    end = stage.wait("w-1", "exit")
    assert (end.data["pid"], end.data["signal"], end.data["expected"]) == (first, "SIGKILL", True)
    again = stage.wait("w-1", "ready", 2)
    assert again.data["pid"] != first
    assert stage.world.running("w") == ["w-1"]


def test_a_kill_of_a_tree_spares_nobody(stage: Stage) -> None:
    """A child is among those who got the signal, and is gone as well."""
    stage.start("family")
    got = stage.world.signal("w-1", "SIGKILL", "tree")
    assert len(got) == 2
    assert stage.world.wait_gone("w-1", got, 10)


def test_a_child_can_be_killed_alone(stage: Stage) -> None:
    """Scope child reaches one descendant; the process itself is not told, and does not restart."""
    stage.start("family", policy="never")
    main = stage.wait("w-1", "start").data["pid"]
    got = stage.world.signal("w-1", "SIGKILL", "child")
    assert len(got) == 1
    assert main not in got
    assert stage.world.wait_gone("w-1", got, 10)


def test_a_frozen_process_hears_a_signal_when_it_is_thawed(stage: Stage) -> None:
    """Between SIGSTOP and SIGCONT nothing happens in it; then it goes on from where it was."""
    stage.start("careful")
    stopped = stage.world.signal("w-1", "SIGSTOP", "tree")
    assert stopped
    stage.world.scheduler.sleep(0.2)
    assert stage.world.running("w") == ["w-1"]
    assert not stage.of("w-1", "exit")
    assert set(stage.world.signal("w-1", "SIGCONT", "tree")) >= {stage.wait("w-1", "start").data["pid"]}
    stage.world.stop("w-1", grace_s=10)
    assert stage.wait("w-1", "exit").data["code"] == 0


def test_a_frozen_process_can_be_killed(stage: Stage) -> None:
    """SIGKILL needs nobody's help."""
    stage.start("careful", policy="never")
    stage.world.signal("w-1", "SIGSTOP", "tree")
    got = stage.world.signal("w-1", "SIGKILL", "tree")
    assert stage.world.wait_gone("w-1", got, 10)
    assert stage.wait("w-1", "exit").data["signal"] == "SIGKILL"


def test_an_exit_is_not_followed_by_a_restart_where_the_policy_says_no(stage: Stage) -> None:
    """A program that was ready and ended by itself was started well; its exit was not expected."""
    stage.start("quitter", policy="never")
    end = stage.wait("w-1", "exit")
    assert (end.data["code"], end.data["expected"]) == (3, False)
    assert "never" in end.data["restart"]
    assert not stage.of("w-1", "restart")


def test_a_crash_loop_has_an_end(stage: Stage) -> None:
    """After as many starts as the policy allows, the last exit says why there is no other."""
    stage.start("quitter")
    last = stage.wait("w-1", "exit", 3)
    assert "starts_max=3" in last.data["restart"]
    assert len(stage.of("w-1", "start")) == 3


def test_who_is_retired_is_not_restarted(stage: Stage) -> None:
    """After `retire` an exit is expected, and nothing follows it."""
    stage.start("careful")
    stage.world.retire("w-1")
    got = stage.world.signal("w-1", "SIGKILL", "tree")
    assert stage.world.wait_gone("w-1", got, 10)
    assert stage.wait("w-1", "exit").data["expected"] is True
    stage.world.scheduler.sleep(0.2)
    assert not stage.of("w-1", "restart")


def test_nobody_gets_a_signal_to_nobody(stage: Stage) -> None:
    """A signal to a process that has ended, or never was, has no receivers."""
    stage.start("careful")
    stage.world.stop("w-1", grace_s=10)
    assert list(stage.world.signal("w-1", "SIGTERM")) == []
    assert list(stage.world.signal("w-9", "SIGTERM")) == []


def test_who_lives_is_not_gone(stage: Stage) -> None:
    """The wait is as long as was said, and its answer is no."""
    stage.start("careful")
    assert not stage.world.wait_gone("w-1", [stage.wait("w-1", "start").data["pid"]], 0.05)


def test_unknown_signals_and_scopes_are_refused(stage: Stage) -> None:
    """A typo is a usage error that names what was probably meant."""
    stage.start("careful")
    with pytest.raises(UsageError, match="Did you mean 'SIGTERM'"):
        stage.world.signal("w-1", "SIGTREM")
    with pytest.raises(UsageError, match="Did you mean 'group'"):
        stage.world.signal("w-1", "SIGTERM", "grup")  # type: ignore[arg-type]  # that is the point


def test_closing_ends_everything_and_can_be_repeated(stage: Stage) -> None:
    """Whoever runs, is frozen, or waits for a restart is gone, and so is the scratch folder."""
    stage.start("family")
    stage.start("stubborn", "w-2")
    stage.world.signal("w-2", "SIGSTOP", "tree")
    pids = [stage.wait(name, "start").data["pid"] for name in ("w-1", "w-2")]
    stage.world.close()
    stage.world.close()
    assert stage.world.wait_gone("w-1", pids, 10)
    assert not stage.world.scratch.exists()
