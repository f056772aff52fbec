"""One run: start, strike, wait, heal, settle, look. What it saw is in the recorder; it judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from unstuck.clock import WallClockWatch
from unstuck.errors import HarnessError, UnstuckError, UsageError
from unstuck.faults import FAULTS
from unstuck.history import Event, Recorder
from unstuck.plan import ClientPlan, Plan
from unstuck.runner.clients import WAIT_TIMEOUT_S, Client
from unstuck.runner.engine import Engine
from unstuck.scenario import Initiate, PutParts, Scenario, Step, Wait
from unstuck.targets.port import Running, Target
from unstuck.worlds.port import Task, World

ROLES_UP_WITHIN_S = 15.0
QUIET_EVERY_S = 0.03
CLOCK_STEP_S = 0.5
SLACK_S = 30.0  # beyond the plan's own length, for faults to fire
CLIENTS_SLACK_S = 120.0  # beyond their waits, for calls that a service leaves without an answer
CLIENTS_STOP_WITHIN_S = 1.0
DEADLINE_MAX_S = 3600.0  # of an upload; the target decides
UNANSWERED_S = 3.0  # for a job to show itself that nobody was told of
BUDGETS_MAX = 10  # how often the recovery budget begins, at most

Phase = Literal["starting", "running", "settling", "judging"]
Reason = Literal["settled", "budget", "interrupted", "error"]
Note = Callable[[Phase, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is run. `facts` go into the first event as they are."""

    scenario: Scenario
    plan: Plan
    folder: str
    defences_off: Sequence[str] = ()
    follow_s: float = 0.0  # how long to look on after a recovery budget that was not enough
    facts: dict[str, object] | None = None


def run_scenario(
    request: RunRequest,
    *,
    world: World,
    target: Target,
    recorder: Recorder,
    interrupted: Callable[[], bool] = lambda: False,
    note: Note = lambda _phase, _text: None,
    on_engine: Callable[[Engine], None] = lambda _engine: None,
) -> None:
    """Runs to its end. The last event says why it ended: settled, budget, interrupted or error.

    Raises `TargetError` when the service does not start (nothing is left running), `HarnessError` when
    Unstuck itself failed, `UsageError` for a plan that cannot be carried out and for a history that the
    disk does not take, `Interrupted` when the service was still starting. The world is the caller's to
    close.
    """
    run = _Run(request, world, target, recorder, interrupted, note)
    on_engine(run.engine)
    run.through()


class _Run:
    """What the steps of one run share."""

    def __init__(
        self,
        request: RunRequest,
        world: World,
        target: Target,
        recorder: Recorder,
        interrupted: Callable[[], bool],
        note: Note,
    ) -> None:
        self._request = request
        self._target = target
        self._recorder = recorder
        self._interrupted = interrupted
        self._note = note
        self._clients: dict[str, Task] = {}
        self._at_work: set[str] = set()  # clients that have not taken their last step
        self._closing = False
        self.engine = Engine(plan=request.plan, world=world, emit=self.emit)

    def emit(self, kind: str, phase: str | None = None, **rest: Any) -> Event:
        """Records; where nothing can be recorded any more, the run ends, whichever task was first to see."""
        try:
            return self._recorder.record(kind, phase, **rest)
        except UsageError:  # the disk: `over` asks the recorder
            self.engine.wake()
        except HarnessError as error:
            self.engine.fail("the history", error)
        return Event(-1, 0, kind, phase)

    def over(self) -> bool:
        """True when nothing further is to be done but taking the run down."""
        return (
            self._closing
            or self._interrupted()
            or self.engine.error is not None
            or self._recorder.failure is not None
        )

    def through(self) -> None:
        """From the first event to the last, and takes everything down whatever happens."""
        watch = WallClockWatch.start()
        reason: Reason = "error"
        error: str | None = None
        with ExitStack() as down:
            down.callback(self.engine.close)
            self._recorder.subscribe(self.engine.on_event)
            self.emit("run", "start", **self._start_facts())
            try:
                reason = self._middle(down)
                self._raise_errors()
            except BaseException as caught:
                reason = "interrupted" if self._interrupted() else "error"
                error = str(caught) or repr(caught)
                if self._recorder.failure is not None and isinstance(caught, Exception):
                    raise self._recorder.failure from caught  # what came after it may come of it
                raise
            finally:
                self.engine.heal_all()
                if abs(step_s := watch.step_s()) > CLOCK_STEP_S:
                    self.emit("clock", "stepped", by_s=step_s)
                self.emit("run", "end", reason=reason, **({"error": error} if error else {}))
                self._closing = True
                self.engine.wake()

    def _middle(self, down: ExitStack) -> Reason:
        request, engine = self._request, self.engine
        self._note("starting", "the service")
        running = engine.running = self._target.start(
            world=engine.world,
            scenario=request.scenario,
            plan=request.plan,
            folder=request.folder,
            emit=self.emit,
            on_point=engine.on_point,
            defences_off=request.defences_off,
        )
        down.callback(self._join_clients)
        down.callback(running.close)
        if not self.over():
            self._strike(running)
        reason = None if self.over() else self._settle(running)
        if reason == "budget":
            self._follow()
        if reason is None or self.over():
            return "interrupted" if self._interrupted() else "error"
        self._note("judging", "looking at every job")
        running.look()
        return reason

    def _raise_errors(self) -> None:
        for error in (self._recorder.failure, self.engine.error):
            if error is not None:
                raise error

    def _start_facts(self) -> dict[str, Any]:
        request, scenario = self._request, self._request.scenario
        return {
            "scenario": scenario.name,
            "title": scenario.title,
            "case": dict(scenario.case),
            "expect": {name: dict(params) for name, params in scenario.expect.items()},
            "budget_s": scenario.budget_s,
            "promise": scenario.promise,
            "seed": request.plan.seed,
            "world": self.engine.world.name,
            "target": self._target.name,
            "defences_off": list(request.defences_off),
            "faults": [{"name": fault.name, "line": fault.line} for fault in scenario.faults],
            **self._target.facts,
            **(request.facts or {}),
        }

    # Striking

    def _strike(self, running: Running) -> None:
        """From the first client's start until all have finished and every fault is over."""
        scenario, engine = self._request.scenario, self.engine
        engine.arm()
        engine.strike_set_up()
        engine.start_timers()
        self._note("running", f"clients: {len(self._request.plan.clients)}")
        self._start_clients(running)
        clients_s = max((_length_s(plan) for plan in self._request.plan.clients), default=0.0)
        if not engine.until(lambda: self.over() or not self._at_work, clients_s + CLIENTS_SLACK_S):
            raise HarnessError(
                f"clients: {', '.join(sorted(self._at_work))} have not finished {CLIENTS_SLACK_S:g} s after "
                "their own waits. A step of theirs hangs; its op has no end in the history."
            )

        def struck() -> bool:
            return self.over() or (engine.idle and (engine.all_fired or engine.live.all_terminal()))

        engine.until(struck, self._faults_s() + scenario.budget_s + SLACK_S)
        engine.heal_all()

    def _start_clients(self, running: Running) -> None:
        engine = self.engine
        self._at_work.update(plan.name for plan in self._request.plan.clients)
        for plan in self._request.plan.clients:
            client = Client(
                plan, running, engine.scheduler, self.emit, engine.until, self._state_of, self.over
            )
            self._clients[plan.name] = engine.scheduler.spawn(
                plan.name, partial(self._run_client, plan.name, client)
            )

    def _run_client(self, name: str, client: Client) -> None:
        try:
            client.run()
        except Exception as error:  # noqa: BLE001  whatever it is, the run must still be taken down
            if not self._closing:
                self.engine.fail(f"client {name}", error)
        finally:
            self._at_work.discard(name)
            self.engine.wake()

    def _state_of(self, job: str) -> str | None:
        known = self.engine.live.jobs.get(job)
        return known.state if known else None

    def _join_clients(self) -> None:
        """The target is closed, so that what they still do comes to nothing: a moment is enough."""
        scheduler = self.engine.scheduler
        deadline_ns = scheduler.now_ns() + int(CLIENTS_STOP_WITHIN_S * 1e9)  # for all of them together
        for task in self._clients.values():
            task.join(max(0.0, (deadline_ns - scheduler.now_ns()) / 1e9))

    def _faults_s(self) -> float:
        """How long the lasting faults last, if each strikes after the other."""
        return float(
            sum(
                fault.parameters.for_s
                for fault in self._request.scenario.faults
                if FAULTS[fault.name].LASTING
            )
        )

    # Settling

    def _settle(self, running: Running) -> Reason:
        """Waits until every job has ended, or the recovery budget.

        A fault that strikes each time may do so after the budget has begun: then it begins again, since
        nothing is judged while a fault is active. A fault that never ends must not put that off for ever,
        so both the number of beginnings and the time for them are limited.
        """
        engine, budget_s = self.engine, self._request.scenario.budget_s
        last_begin_ns = engine.scheduler.now_ns() + int(budget_s * 1e9)
        for begun in range(1, BUDGETS_MAX + 1):
            self._note("settling", f"open jobs: {engine.live.count('open_jobs')}")
            engine.until(lambda: self.over() or engine.idle, self._faults_s() + SLACK_S)
            if begun == 1:
                # 1. a submission gets no answer, since who would give it is frozen, 2. that is healed, and
                # its job is made, of which nobody knows, 3. we see no open job and take everything down in
                # the midst of it.
                engine.until(self._may_know_all, min(budget_s, UNANSWERED_S))
            self._wait_for_roles(running)
            if self.over():
                break
            blows = engine.blows
            self.emit("run", "budget", budget_s=budget_s)
            may_begin_again = begun < BUDGETS_MAX and engine.scheduler.now_ns() < last_begin_ns
            if not engine.until(partial(self._settled, blows if may_begin_again else None), budget_s):
                return "budget"
            if self.over():
                break
            if engine.idle and engine.live.all_terminal():
                self._wait_until_quiet(running)
                if engine.live.all_terminal() or not may_begin_again:
                    break
        return "settled" if engine.live.all_terminal() else "budget"

    def _follow(self) -> None:
        """Looks on after the budget: what ends now is late all the same, but it is known when it ended."""
        if self._request.follow_s > 0:
            self.emit("run", "follow", for_s=self._request.follow_s)
            self._note("settling", f"looking on, open jobs: {self.engine.live.count('open_jobs')}")
            self.engine.until(partial(self._settled, None), self._request.follow_s)

    def _may_know_all(self) -> bool:
        return self.over() or self.engine.live.may_know_all()

    def _settled(self, blows: int | None) -> bool:
        """True also when a fault has struck or was healed since there were `blows` (None: no matter)."""
        engine = self.engine
        return (
            self.over()
            or (engine.idle and engine.live.all_terminal())
            or (blows is not None and engine.blows != blows)
        )

    def _wait_for_roles(self, running: Running) -> None:
        """Every role has as many ready processes as it started with.

        Raises `HarnessError` when one has not: the budget cannot begin, so nothing could be judged.
        """
        live, wanted = self.engine.live, dict[str, int]()
        for spec in running.specs():
            wanted[spec.role] = wanted.get(spec.role, 0) + 1

        def missing() -> list[str]:
            return [
                f"{role} ({len(live.ready_of(role))} of {count} ready)"
                for role, count in wanted.items()
                if len(live.ready_of(role)) < count
            ]

        slowest_s = max((spec.ready_timeout_s for spec in running.specs()), default=0.0)
        within_s = max(ROLES_UP_WITHIN_S, slowest_s)
        if self.engine.until(lambda: self.over() or not missing(), within_s):
            return
        down = [role for role, count in wanted.items() if len(live.ready_of(role)) < count]
        if all(live.crashes[role] for role in down):
            # They ended by themselves, again and again: that is the service's doing, and is judged.
            self.emit("evidence", "roles_down", roles=down, after_s=within_s)
            return
        raise HarnessError(
            f"roles: {', '.join(missing())} {within_s:g} s after the last fault was healed. "
            "The recovery budget cannot begin without them; read their logs in the run's folder."
        )

    def _wait_until_quiet(self, running: Running) -> None:
        """Late events are let in before the final look: they must change nothing, and have had the chance."""
        scheduler = self.engine.scheduler
        within_s = running.quiet_within_s
        deadline_ns = scheduler.now_ns() + int(within_s * 1e9)
        try:
            while not running.quiet() and not self.over():
                if scheduler.now_ns() >= deadline_ns:
                    self.emit("evidence", "not_quiet", after_s=within_s)
                    return
                scheduler.sleep(QUIET_EVERY_S)
        except UnstuckError:
            raise
        except Exception as error:
            raise HarnessError(f"cannot ask the target whether it is quiet: {error}") from error


def _length_s(client: ClientPlan) -> float:
    """An upper bound of how long a client waits by itself; its calls come on top."""
    parts = max((step.parts for step in client.steps if isinstance(step, Initiate)), default=0)
    return client.start_s + sum(_waits_s(step, parts) for step in client.steps)


def _waits_s(step: Step, parts: int) -> float:
    match step:
        case PutParts(every_s=every_s):
            return every_s * parts
        case Wait(seconds=None, past_deadline=past_deadline):
            return DEADLINE_MAX_S if past_deadline else WAIT_TIMEOUT_S
        case Wait(seconds=seconds):
            return seconds or 0.0
        case _:
            return 0.0
