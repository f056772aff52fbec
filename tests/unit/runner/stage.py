"""A world, a target and an engine of which only the engine is real."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unstuck.errors import TargetError
from unstuck.faults import FAULTS
from unstuck.history import Event
from unstuck.links.rules import Action, LinkState, Then
from unstuck.links.toxics.port import Toxic
from unstuck.plan import Plan, make_plan
from unstuck.runner.engine import Engine
from unstuck.scenario import Condition, Fault, OnMessage, OnPoint, Scenario, Trigger, Upload
from unstuck.targets.port import Emit, PointReached, Reply
from unstuck.worlds.port import ProcessSpec, Scheduler, Scope
from unstuck.worlds.sim.scheduler import GreenScheduler

START_S = 0.05
WORKERS = ("worker-1", "worker-2")
STARTED = "worker.stage.started"
FRAMES = OnPoint(point=STARTED, stage="frames")
KILL_HERE = {"role": "worker", "which": "here"}
WHOLE = ["armed", "fired", "landed"]  # the life of a fault that strikes and does not last


class FakeWorld:
    """Processes that are only names and pids: they start, stop and die at once, and say so."""

    name = "fake"
    capabilities = frozenset({"processes", "signals", "links", "memory_limit"})
    scratch = Path("/nowhere")

    def __init__(self, scheduler: GreenScheduler) -> None:
        self.scheduler: Scheduler = scheduler
        self.tell: Emit = lambda *_, **__: None
        self.pids: dict[str, int] = {}
        self.done: list[tuple[str, ...]] = []  # what was asked of it, in order
        self.refuses: set[str] = set()  # names that do not start
        self.deaf: set[str] = set()  # names that get no signal
        self.stays: set[str] = set()  # names that neither stop nor die
        self.silent: set[str] = set()  # names that end without a word
        self.clockless: set[str] = set()  # names without a wall clock of their own
        self.unread: set[str] = set()  # names of which nobody reads it
        self._next = 100

    def start(self, spec: ProcessSpec) -> None:
        self.done.append(("start", spec.name, spec.version))
        self.scheduler.sleep(START_S)
        if spec.name in self.refuses:
            raise TargetError(f"process {spec.name!r}: died")
        self.come(spec.name)

    def come(self, name: str) -> None:
        self._next += 1
        self.pids[name] = self._next
        self.say("start", name, pid=self._next)
        self.say("ready", name, pid=self._next)

    def go(self, name: str, **facts: Any) -> None:
        pid = self.pids.pop(name, None)
        if pid is not None and name not in self.silent:
            self.say("exit", name, pid=pid, **facts)

    def say(self, phase: str, name: str, **facts: Any) -> None:
        self.tell("process", phase, process=name, role=name.rsplit("-", 1)[0], **facts)

    def stop(self, name: str, *, grace_s: float) -> None:
        self.done.append(("stop", name, f"{grace_s:g}"))
        if name in self.pids and name not in self.deaf:
            self.say("signal", name, signal="SIGTERM", scope="main", sent_to=[self.pids[name]])
        self.scheduler.sleep(1e6 if name in self.stays else grace_s)
        self.go(name)

    def signal(self, name: str, signal: str, scope: Scope = "main") -> Sequence[int]:
        self.done.append((signal, name, scope))
        if name not in self.pids or name in self.deaf:
            return []
        pids = [self.pids[name] + 1000] if scope == "child" else [self.pids[name]]
        self.say("signal", name, signal=signal, scope=scope, sent_to=pids)
        if signal == "SIGKILL" and scope != "child" and name not in self.stays:
            self.go(name)
        return pids

    def retire(self, name: str) -> None:
        self.done.append(("retire", name))

    def wait_gone(self, name: str, pids: Sequence[int], timeout_s: float) -> bool:
        if name in self.stays:
            self.scheduler.sleep(timeout_s)
            return False
        return True

    def prepare_clocks(self, roles: Collection[str]) -> None:
        self.done.append(("clocks", *sorted(roles)))

    def set_clock(self, name: str, *, offset_s: float, drift_ppm: float) -> bool:
        self.done.append(("clock", name, f"{offset_s:g}", f"{drift_ppm:g}"))
        return name not in self.clockless

    def clock_is_read(self, name: str) -> bool:
        return name not in self.unread

    def running(self, role: str) -> Sequence[str]:
        return [name for name in self.pids if name.startswith(f"{role}-")]

    def close(self) -> None:
        self.done.append(("close",))


class FakeRunning:
    """A service that is not there: it answers as it was told to, and remembers what was asked."""

    quiet_within_s = 3.0

    def __init__(self, world: FakeWorld) -> None:
        self.world = world
        self.done: list[tuple[Any, ...]] = []
        self.replies: dict[str, Reply | Exception] = {}
        self.abilities: dict[str, Mapping[str, Any] | Exception] = {}
        self.on_call: Callable[[str, Mapping[str, Any]], None] = lambda _action, _values: None
        self.quiets: list[bool] = []
        self.toxic_links: list[str] = ["worker-1.queue", "worker-2.queue"]  # where one is read back
        self.closed = 0

    def call(self, action: str, values: Mapping[str, Any]) -> Reply:
        self.done.append((action, values.get("job")))
        self.on_call(action, values)
        reply = self.replies.get(action, Reply(phase="ok", data={"status": 200}))
        if isinstance(reply, Exception):
            raise reply
        return reply

    def specs(self) -> Sequence[ProcessSpec]:
        return [ProcessSpec(name=name, role="worker") for name in WORKERS]

    def spec(self, name: str, *, like: str, version: str | None) -> ProcessSpec:
        return ProcessSpec(name=name, role=like.rsplit("-", 1)[0], version=version or "current")

    def ability(self, action: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        self.done.append((action, dict(parameters)))
        answer = self.abilities[action]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def link_state(self, link: str, state: LinkState) -> None:
        self.done.append(("link", link, state.kind))

    def add_toxic(self, link: str, toxic: Toxic) -> Sequence[str]:
        self.done.append(("toxic", link, toxic))
        return self.toxic_links

    def remove_toxic(self, link: str, name: str) -> None:
        self.done.append(("no toxic", link, name))

    def arm_message(self, rule_id: str, when: OnMessage, action: Action) -> None:
        self.done.append(("arm", rule_id, action.kind))

    def release_message(self, rule_id: str, then: Then, nth: int | None = None) -> None:
        self.done.append(("release", rule_id, then) if nth is None else ("release", rule_id, then, nth))

    def quiet(self) -> bool:
        return self.quiets.pop(0) if self.quiets else True

    def look(self) -> None:
        self.done.append(("look",))

    def close(self) -> None:
        self.closed += 1


class History:
    """Numbers events and hands them on, as a recorder does; keeps them in a list."""

    def __init__(self, scheduler: GreenScheduler) -> None:
        self.events: list[Event] = []
        self.fails_at: tuple[str, str | None] | None = None
        self._scheduler = scheduler
        self._subscribers: list[Callable[[Event], None]] = []

    def subscribe(self, callback: Callable[[Event], None]) -> None:
        self._subscribers.append(callback)

    def emit(
        self,
        kind: str,
        phase: str | None = None,
        *,
        job: str | None = None,
        process: str | None = None,
        at_ns: int | None = None,
        **data: Any,
    ) -> Event:
        if self.fails_at == (kind, phase):
            raise RuntimeError(f"{kind} {phase} cannot be recorded")
        stamp_ns = self._scheduler.now_ns() if at_ns is None else at_ns
        event = Event(len(self.events), stamp_ns, kind, phase, job, process, data)
        self.events.append(event)
        for callback in self._subscribers:
            callback(event)
        return event

    def of(self, kind: str, *phases: str) -> list[Event]:
        return [e for e in self.events if e.kind == kind and (not phases or e.phase in phases)]

    def faults(self, index: int) -> list[str]:
        """The phases of a fault, in order."""
        return [str(e.phase) for e in self.events if e.kind == "fault" and e.data["fault"] == index]


class Stand:
    """A process that stands at a point, and what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.dead = False
        self.keeps = False
        self.dies_of: set[str] = set()  # directives

    def answer(self, directive: Mapping[str, Any]) -> None:
        self.told.append(str(directive["do"]))
        if directive["do"] in self.dies_of:
            self.dead = True

    def at(self, point: str, job: str | None, *, pid: int = 1, **facts: Any) -> PointReached:
        return PointReached(
            point=point,
            process="worker-1",
            pid=pid,
            job=job,
            facts=facts,
            answer=self.answer,
            gone=lambda: self.dead,
            kept=lambda: self.keeps,
        )


class Stage:
    """Everything of one test: virtual time, a world, a target, a history, and the engine under test."""

    def __init__(self, *faults: Fault) -> None:
        self.scheduler = GreenScheduler(1)
        self.history = History(self.scheduler)
        self.world = FakeWorld(self.scheduler)
        self.world.tell = self.history.emit
        self.running = FakeRunning(self.world)
        self.engine = Engine(plan=plan(*faults), world=self.world, emit=self.history.emit)
        self.engine.running = self.running
        self.history.subscribe(self.engine.on_event)
        for name in WORKERS:
            self.world.come(name)

    def begin(self) -> None:
        """As the runner does before the first client."""
        self.engine.arm()
        self.engine.strike_set_up()
        self.engine.start_timers()

    def after(self, seconds: float = 0.001) -> None:
        """Lets everybody go on for so long."""
        self.scheduler.sleep(seconds)

    def job(self, name: str = "j-1", state: str = "active", **facts: Any) -> None:
        """The database's trigger shows a job."""
        known = {"from": None, "to": state, "attempt": 1, "token": 1, "worker": "worker-1", "tag": "job"}
        self.history.emit("transition", job=name, **{**known, **facts})

    def stage_of(self, name: str, stage: str, attempt: int = 1) -> None:
        self.history.emit("stage", job=name, stage=stage, attempt=attempt, token=attempt)

    def stand(self, job: str | None = "j-1", point: str = "worker.stage.started", **facts: Any) -> Stand:
        """A process reaches a point and waits there."""
        stand = Stand()
        pid = self.world.pids.get("worker-1", 0) + 1000
        self.engine.on_point(stand.at(point, job, pid=pid, **facts))
        return stand


@contextmanager
def stage(*faults: Fault) -> Iterator[Stage]:
    made = Stage(*faults)
    try:
        yield made
    finally:
        made.engine.close()
        made.scheduler.close()


def fault(
    name: str,
    when: Trigger,
    parameters: Any = None,
    *,
    condition: Condition | None = None,
    each: bool = False,
) -> Fault:
    given = FAULTS[name].Parameters(**(parameters or {}))
    return Fault(
        name=name, parameters=given, when=when, condition=condition, times="each" if each else "once"
    )


def scenario(*faults: Fault, uploads: Sequence[Upload] = (Upload(),), budget_s: float = 10.0) -> Scenario:
    return Scenario(
        name="made-up", summary="…", workload=tuple(uploads), faults=faults, expect={}, budget_s=budget_s
    )


def plan(*faults: Fault, uploads: Sequence[Upload] = (Upload(),)) -> Plan:
    return make_plan(scenario(*faults, uploads=uploads), 1)


def at_frames(made: Stage, job: str = "j-1", attempt: int = 1) -> Stand:
    """A job's process comes to `FRAMES` and stands there; what that leads to has been done."""
    made.stage_of(job, "frames", attempt)
    stand = made.stand(job, stage="frames", attempt=attempt)
    made.after()
    return stand


def in_turn(*steps: Callable[[], object]) -> Callable[[], None]:
    """One function that takes one step after another."""

    def take() -> None:
        for step in steps:
            step()

    return take
