"""One run: it ends for a reason that the history names, and judges nothing while a fault is active."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

import pytest

from tests.unit.runner.bench import Bench
from tests.unit.runner.stage import fault
from unstuck.errors import HarnessError, TargetError, UsageError
from unstuck.scenario import (
    Complete,
    Initiate,
    OnMessage,
    OnOp,
    OnStart,
    OnState,
    Put,
    Upload,
    Wait,
)


def test_a_run_ends_settled_and_its_last_event_says_so(bench: Bench) -> None:
    """Start, ops, budget, the final look, end; the target is closed once."""
    events = bench.run()
    assert (events[0].kind, events[0].phase, events[-1].data) == ("run", "start", {"reason": "settled"})
    assert [e.data["action"] for e in bench.of("op", "ok")] == [
        "initiate_upload",
        "put_object",
        "complete_upload",
    ]
    assert bench.target.running.done[-1] == ("look",)
    assert bench.target.running.closed == 1
    assert bench.notes == ["starting", "running", "settling", "judging"]


def test_clients_are_waited_for_though_every_job_has_ended(bench: Bench) -> None:
    """What the plan says is done, all of it: a late completion of a job that has ended is the point."""
    bench.uploads = (Upload(steps=(Initiate(), Put(), Complete(), Wait(seconds=20), Complete())),)
    bench.run()
    assert len([e for e in bench.of("op", "ok") if e.data["action"] == "complete_upload"]) == 2


def test_a_client_that_hangs_is_a_harness_error(bench: Bench) -> None:
    """Its call has no end: the run says whose, and does not pass as if the plan had been carried out.

    When the call does end after all, the run is over: no further step goes out to whoever has the port.
    """
    bench.target.running.on_call = lambda action, _: bench.sleep(200 if action == "put_object" else 0)
    with pytest.raises(HarnessError, match="clients: c-01 have not finished 120 s after"):
        bench.run()
    assert bench.end["reason"] == "error"
    bench.sleep(100)
    assert [call[0] for call in bench.target.running.done] == ["initiate_upload", "put_object"]


def test_many_clients_that_hang_are_left_behind_in_a_moment(bench: Bench) -> None:
    """A run that is interrupted does not wait for each of them in turn."""
    bench.uploads = (Upload(count=20),)
    bench.target.running.on_call = lambda _action, _: bench.sleep(50)
    interrupt(bench, 1)
    bench.run()
    assert bench.end == {"reason": "interrupted"}
    assert bench.scheduler.now_ns() < 3e9


def test_a_client_that_breaks_ends_the_run(bench: Bench) -> None:
    """A bug of ours in a client is no failure of the service."""
    bench.target.running.replies["put_object"] = KeyError("url")
    with pytest.raises(HarnessError, match=r"client c-01: KeyError\('url'\)"):
        bench.run()
    assert bench.end["reason"] == "error"
    assert ("look",) not in bench.target.running.done


def test_a_service_that_does_not_start_ends_the_run(bench: Bench) -> None:
    """Nothing to close, nothing to look at; the history has a start and an end."""
    bench.target.fails = TargetError("process 'api-1': died")
    with pytest.raises(TargetError):
        bench.run()
    assert bench.end == {"reason": "error", "error": "process 'api-1': died"}
    assert bench.target.running.closed == 0


def test_a_fault_that_cannot_be_carried_out_ends_the_run(bench: Bench) -> None:
    """The run ends at once, not after its budget, and what lasts is healed."""
    bench.target.life = lambda: bench.target.move("active", worker="worker-1")
    bench.world.refuses.add("worker-3")
    pause = fault("pause", OnOp(op="put_object"), {"role": "worker", "which": "all", "for_s": 50})
    replace = fault("rolling_replace", OnState(state="active"), {"role": "worker", "grace_s": 0})
    with pytest.raises(HarnessError, match="fault 1 \\(rolling_replace\\) could not be carried out"):
        bench.run(pause, replace)
    assert bench.end["reason"] == "error"
    assert len(bench.of("fault", "healed")) == 1
    assert bench.of("run", "end")[0].at_ns < 2e9


def interrupt(bench: Bench, after_s: float) -> None:
    def press() -> None:
        bench.sleep(after_s)
        bench.interrupt = True
        bench.engines[0].wake()

    bench.scheduler.spawn("Ctrl-C", press)


@pytest.mark.parametrize("after_s", [0.5, 5.0])
def test_an_interruption_heals_and_ends_without_a_look(bench: Bench, after_s: float) -> None:
    """While clients wait or while it settles: what lasts is healed, and nobody takes another step."""
    interrupt(bench, after_s)
    bench.uploads = (Upload(steps=(Initiate(), Wait(seconds=2), Put())),)
    pause = fault("pause", OnStart(), {"role": "worker", "which": "all", "for_s": 50})
    bench.run(pause)
    assert bench.end == {"reason": "interrupted"}
    assert bench.of("run", "end")[0].at_ns < (after_s + 0.1) * 1e9
    assert len(bench.of("fault", "healed")) == 1
    assert ("look",) not in bench.target.running.done
    assert "judging" not in bench.notes
    assert (("put_object", "j-1") in bench.target.running.done) is (after_s > 2)
    assert bench.target.running.closed == 1


def test_an_interruption_while_it_settles_is_no_budget(bench: Bench) -> None:
    """The budget has begun and nothing is known yet: interrupted, not judged."""
    interrupt(bench, 2)
    bench.target.life = lambda: bench.target.move("queued")
    bench.run()
    assert bench.of("run", "budget")
    assert bench.end == {"reason": "interrupted"}


def test_an_interruption_during_the_start_begins_no_client(bench: Bench) -> None:
    """The service came up meanwhile: it is taken down again, untouched."""
    bench.interrupt = True
    bench.run()
    assert bench.end == {"reason": "interrupted"}
    assert bench.target.running.done == []
    assert not bench.of("fault")
    assert bench.target.running.closed == 1


@pytest.mark.parametrize("error", [HarnessError("observer: saw no more"), OSError("connection refused")])
def test_a_target_that_cannot_be_asked_is_a_harness_error(bench: Bench, error: Exception) -> None:
    """Whether it is ours or a library's: told in our words."""

    def quiet() -> bool:
        raise error

    bench.target.running.quiet = quiet  # type: ignore[method-assign]  # a fake that fails
    with pytest.raises(HarnessError, match=r"saw no more|whether it is quiet: connection refused"):
        bench.run()
    assert bench.end["reason"] == "error"


def test_a_full_disk_ends_the_run_whichever_task_saw_it_first(bench: Bench) -> None:
    """The error is told once by the recorder; the run raises it, and takes everything down."""

    def full() -> None:
        bench.recorder.failure = UsageError("history: takes no more. Free some space and run again.")
        bench.engines[0].wake()

    bench.target.life = full
    with pytest.raises(UsageError, match="takes no more"):
        bench.run()
    assert bench.target.running.closed == 1


def test_what_a_full_disk_brings_about_is_told_as_the_full_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event that met it raises in no task of the run, and what fails next is not the reason."""

    def full(_file: int, _line: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def start(**_: object) -> NoReturn:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            bench.engines[0].emit("evidence", "small")
        raise TargetError("process 'api-1': log='…': No space left on device")

    monkeypatch.setattr(bench.target, "start", start)
    with pytest.raises(UsageError, match="takes no more"):
        bench.run()


def test_what_cannot_be_recorded_is_a_harness_error(bench: Bench) -> None:
    """A value that JSON cannot hold is a bug of ours, in whichever task it comes up."""
    bench.target.life = lambda: bench.target.emit("evidence", "odd", value=object())
    with pytest.raises(HarnessError, match=r"the history: .*holds what JSON cannot"):
        bench.run()


def test_a_stepped_wall_clock_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stamps of the database are worth nothing then; the checks call the run inconclusive."""
    monkeypatch.setattr("unstuck.clock.WallClockWatch.step_s", lambda _: -3.0)
    bench.run()
    assert bench.of("clock", "stepped")[0].data == {"by_s": -3.0}


def test_a_message_trigger_is_armed_before_the_first_client(bench: Bench) -> None:
    """The first message could be the one."""
    bench.run(fault("swallow", OnMessage(message="*", link="relay.queue")))
    actions = [call[0] for call in bench.target.running.done]
    assert actions.index("arm") < actions.index("initiate_upload")
    assert bench.end == {"reason": "settled"}


def test_a_run_without_clients_ends(bench: Bench) -> None:
    """Nothing to do is done at once."""
    bench.uploads = ()
    bench.run()
    assert bench.end == {"reason": "settled"}
