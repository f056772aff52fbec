"""One run: start, strike, wait, heal, settle, look. What it saw is in the recorder; it judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from unstuck.clock import WallClockWatch
from unstuck.errors import HarnessError, UnstuckError
from unstuck.faults import FAULTS
from unstuck.history import Recorder
from unstuck.plan import Plan
from unstuck.runner.clients import Client
from unstuck.runner.engine import Engine
from unstuck.scenario import Scenario, Wait
from unstuck.targets.port import Emit, Running, Target
from unstuck.worlds.port import Task, World

ROLES_UP_S = 15.0
QUIET_S = 3.0
QUIET_EVERY_S = 0.03
CLOCK_STEP_S = 0.5
FIRE_SLACK_S = 30.0  # beyond the plan's own length, for clients to finish and faults to fire

Phase = Literal["starting", "running", "settling", "judging"]
Note = Callable[[Phase, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is run. `facts` go into the first event as they are."""

    scenario: Scenario
    plan: Plan
    folder: str
    defences_off: Sequence[str] = ()
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
    Unstuck itself failed. The world is the caller's to close.
    """
    emit: Emit = recorder.record
    scenario = request.scenario
    watch = WallClockWatch.start()
    engine = Engine(plan=request.plan, world=world, emit=emit)
    recorder.subscribe(engine.on_event)
    on_engine(engine)
    running: Running | None = None
    emit("run", "start", **_start_facts(request, world, target))
    reason, error = "error", None
    try:
        note("starting", "the service")
        running = engine.running = target.start(
            world=world,
            scenario=scenario,
            plan=request.plan,
            folder=request.folder,
            emit=emit,
            on_point=engine.on_point,
            defences_off=request.defences_off,
        )
        reason = _strike_and_settle(request, engine, running, emit, interrupted, note)
        _raise_error_of(engine)
        note("judging", "looking at every job")
        running.look()
    except BaseException as caught:
        reason, error = ("interrupted" if interrupted() else "error"), str(caught) or repr(caught)
        raise
    finally:
        if abs(step_s := watch.step_s()) > CLOCK_STEP_S:
            emit("clock", "stepped", by_s=step_s)
        facts: dict[str, Any] = {"error": error} if error else {}
        emit("run", "end", reason=reason, **facts)
        engine.close()
        if running is not None:
            running.close()


def _raise_error_of(engine: Engine) -> None:
    if engine.error is not None:
        raise HarnessError(f"a fault could not be carried out: {engine.error}") from engine.error


def _start_facts(request: RunRequest, world: World, target: Target) -> dict[str, Any]:
    scenario = request.scenario
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "case": dict(scenario.case),
        "expect": {name: dict(params) for name, params in scenario.expect.items()},
        "budget_s": scenario.budget_s,
        "promise": scenario.promise,
        "seed": request.plan.seed,
        "world": world.name,
        "target": target.name,
        "defences_off": list(request.defences_off),
        "faults": [{"name": fault.name, "line": fault.line} for fault in scenario.faults],
        **(request.facts or {}),
    }


def _strike_and_settle(
    request: RunRequest,
    engine: Engine,
    running: Running,
    emit: Emit,
    interrupted: Callable[[], bool],
    note: Note,
) -> str:
    """The middle of a run; returns the reason of its end."""
    scenario, live = request.scenario, engine.live
    engine.arm()
    engine.strike_set_up()
    engine.start_timers()
    note("running", f"{len(request.plan.clients)} clients")
    tasks = _start_clients(request, engine, running, emit)

    def over() -> bool:
        return interrupted() or engine.error is not None

    def struck() -> bool:
        clients_done = all(_ended(task, engine) for task in tasks)
        return over() or (clients_done and engine.idle and (engine.all_fired or live.all_terminal()))

    engine.until(struck, _length_s(request) + scenario.budget_s + FIRE_SLACK_S)
    engine.heal_all()
    if over():
        return "interrupted"
    note("settling", f"{live.count('open_jobs')} jobs open")
    _wait_for_roles(engine, running)
    emit("run", "budget", budget_s=scenario.budget_s)

    def settled() -> bool:
        return over() or (live.all_terminal() and engine.idle)

    if not engine.until(settled, scenario.budget_s):
        return "budget"
    if over():
        return "interrupted"
    _wait_until_quiet(engine, running)
    return "settled" if live.all_terminal() else "budget"


def _start_clients(request: RunRequest, engine: Engine, running: Running, emit: Emit) -> Sequence[Task]:
    def state_of(job: str) -> str | None:
        known = engine.live.jobs.get(job)
        return known.state if known else None

    def start(client: Client) -> Callable[[], None]:
        def run() -> None:
            try:
                client.run()
            finally:
                engine.wake()

        return run

    return [
        engine.scheduler.spawn(
            plan.name,
            start(Client(plan, running, engine.scheduler, emit, engine.until, state_of)),
        )
        for plan in request.plan.clients
    ]


def _ended(task: Task, engine: Engine) -> bool:
    """A client that raised has ended too; that it did is our own failure, told at the end."""
    try:
        return task.join(0)
    except Exception as error:  # noqa: BLE001  whatever it is, the run must still be taken down
        engine.error = engine.error or error
        return True


def _length_s(request: RunRequest) -> float:
    """An upper bound of how long the plan's clients and lasting faults take by themselves."""
    clients_s = max(
        (
            client.start_s + sum((step.seconds or 0.0) for step in client.steps if isinstance(step, Wait))
            for client in request.plan.clients
        ),
        default=0.0,
    )
    lasting_s = sum(fault.parameters.for_s for fault in request.scenario.faults if FAULTS[fault.name].LASTING)
    return clients_s + float(lasting_s)


def _wait_for_roles(engine: Engine, running: Running) -> None:
    """Every role has as many running processes as it started with; else the run is a harness matter."""
    wanted: dict[str, int] = {}
    for spec in running.specs():
        wanted[spec.role] = wanted.get(spec.role, 0) + 1

    def up() -> bool:
        return all(len(engine.world.running(role)) >= count for role, count in wanted.items())

    if not engine.until(up, ROLES_UP_S):
        missing = [role for role, count in wanted.items() if len(engine.world.running(role)) < count]
        engine.emit("evidence", "roles_missing", roles=missing)


def _wait_until_quiet(engine: Engine, running: Running) -> None:
    """Late events are let in before the final look: they must change nothing, and have had the chance."""
    deadline_ns = engine.scheduler.now_ns() + int(QUIET_S * 1e9)
    try:
        while not running.quiet() and engine.scheduler.now_ns() < deadline_ns:
            engine.scheduler.sleep(QUIET_EVERY_S)
    except UnstuckError:
        raise
    except Exception as error:
        raise HarnessError(f"cannot ask the target whether it is quiet: {error}") from error
