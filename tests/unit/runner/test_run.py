"""One run: it ends for a reason that the history names, and judges nothing while a fault is active."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.runner.stage import FakeRunning, FakeWorld, Stand, fault, in_turn, plan, scenario
from unstuck.errors import HarnessError, TargetError
from unstuck.history import Event, Recorder, read_history
from unstuck.plan import Plan
from unstuck.runner import RunRequest, run, run_scenario
from unstuck.runner.engine import Engine
from unstuck.scenario import (
    Complete,
    Fault,
    Initiate,
    OnMessage,
    OnOp,
    OnPoint,
    OnStart,
    OnState,
    Put,
    Scenario,
    Upload,
    Wait,
)
from unstuck.targets.port import Emit, PointReached, Reply, Running
from unstuck.worlds.port import World
from unstuck.worlds.sim.scheduler import GreenScheduler


class FakeTarget:
    """Starts a `FakeRunning`; jobs live as `life` says, once their upload is complete."""

    name = "fake"
    capabilities = frozenset({"points"})

    def __init__(self, world: FakeWorld) -> None:
        self.world = world
        self.running = FakeRunning(world)
        self.running.replies["initiate_upload"] = Reply(
            phase="ok", data={"job": "j-1", "url": "http://put", "status": 201, "deadline_in_s": 2.0}
        )
        self.running.on_call = self._called
        self.fails: Exception | None = None
        self.life: Callable[[], None] = lambda: self.move("succeeded")
        self.emit: Emit
        self.on_point: Callable[[PointReached], None]

    def start(
        self,
        *,
        world: World,
        scenario: Scenario,
        plan: Plan,
        folder: str,
        emit: Emit,
        on_point: Callable[[PointReached], None],
        defences_off: Sequence[str],
    ) -> Running:
        self.emit, self.on_point = emit, on_point
        self.world.tell = emit
        if self.fails is not None:
            raise self.fails
        for name in ("worker-1", "worker-2"):
            self.world.come(name)
        return self.running

    def move(self, to: str, job: str = "j-1", **facts: Any) -> None:
        data = {"from": None, "to": to, "attempt": 1, "token": 1, "tag": "job", **facts}
        self.emit("transition", job=job, **data)

    def _called(self, action: str, values: Mapping[str, Any]) -> None:
        if action == "initiate_upload":
            self.move("awaiting_upload")
        if action == "complete_upload":
            self.world.scheduler.spawn("life", self.life)


class Bench:
    """One run and what it left."""

    def __init__(self, folder: Path) -> None:
        self.scheduler = GreenScheduler(1)
        self.world = FakeWorld(self.scheduler)
        self.target = FakeTarget(self.world)
        self.recorder = Recorder(folder / "history.jsonl", 0, now_ns=self.scheduler.now_ns)
        self.path = folder / "history.jsonl"
        self.notes: list[str] = []
        self.interrupt = False
        self.engines: list[Engine] = []
        self.uploads: tuple[Upload, ...] = (Upload(),)

    def run(self, *faults: Fault, budget_s: float = 10.0) -> Sequence[Event]:
        try:
            run_scenario(
                RunRequest(
                    scenario=scenario(*faults, uploads=self.uploads, budget_s=budget_s),
                    plan=plan(*faults, uploads=self.uploads),
                    folder="/nowhere",
                ),
                world=self.world,
                target=self.target,
                recorder=self.recorder,
                interrupted=lambda: self.interrupt,
                note=lambda phase, _text: self.notes.append(phase),
                on_engine=self.engines.append,
            )
        finally:
            self.recorder.close()
        return self.events()

    def events(self) -> Sequence[Event]:
        return read_history(self.path).events

    def of(self, kind: str, *phases: str) -> list[Event]:
        return [e for e in self.events() if e.kind == kind and (not phases or e.phase in phases)]

    @property
    def end(self) -> Mapping[str, Any]:
        return self.of("run", "end")[-1].data

    def sleep(self, seconds: float) -> None:
        self.scheduler.sleep(seconds)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.scheduler.close()


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
    with pytest.raises(HarnessError, match=r"roles: worker \(1 of 2 ready\) 15 s after"):
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
        bench.recorder.failure = HarnessError("history: takes no more. Free some space and run again.")
        bench.engines[0].wake()

    bench.target.life = full
    with pytest.raises(HarnessError, match="takes no more"):
        bench.run()
    assert bench.target.running.closed == 1


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
