"""Arms the faults of a plan, fires them from events and places, and heals what lasts.

One task folds the history and decides; each injection runs in a task of its own. A process that stands
at a test point waits for our answer, so the decision is made while it stands there: no race.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from unstuck.errors import UnstuckError
from unstuck.faults import FAULTS
from unstuck.faults.port import Missed, Occasion
from unstuck.history import Event
from unstuck.links.rules import Hold
from unstuck.plan import Plan, place_of
from unstuck.runner.hand import RunnerHand
from unstuck.runner.live import Live
from unstuck.runner.triggers import fits, matches, rule_id
from unstuck.scenario import Fault, OnMessage, OnStart, OnTime
from unstuck.targets.port import Emit, PointReached, Running
from unstuck.worlds.port import Scheduler, World

CATCH_UP_S = 2.0  # for the triggers' notice of a state to reach us after a process stands in it
PENDING_LOOK_S = 0.05
ROLE_SEPARATOR = "-"


@dataclass(slots=True)
class _Armed:
    fault: Fault
    matched: int = 0
    fired: int = 0


@dataclass(frozen=True, slots=True)
class _Pending:
    point: PointReached
    event: int
    deadline_ns: int


@dataclass(slots=True)
class _Timer:
    fault: int


@dataclass(slots=True)
class _Waiter:
    seen: Callable[[], bool]
    wake: Any = field(repr=False)


class Engine:
    """Owns the faults of one run. `begin` arms, `end` heals; `running` is set before `begin`."""

    running: Running

    def __init__(self, *, plan: Plan, world: World, emit: Emit) -> None:
        self.world = world
        self.scheduler: Scheduler = world.scheduler
        self.emit = emit
        self.live = Live()
        self.error: BaseException | None = None
        self.messages_done: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self.messages_landed: dict[str, int] = {}
        self.op_numbers = itertools.count(1)  # of ops that faults perform
        self._armed = [_Armed(fault) for fault in plan.faults]
        self._mailbox = self.scheduler.mailbox()
        self._pending: list[_Pending] = []
        self._waiters: list[_Waiter] = []
        self._busy = 0
        self._lock = threading.Lock()
        self._lasting: dict[int, RunnerHand] = {}
        self._healing: set[int] = set()
        self._names: dict[str, int] = {}
        self._task = self.scheduler.spawn("engine", self._loop)

    # What the rest of the harness tells the engine

    def on_event(self, event: Event) -> None:
        """Subscribed to the recorder: every event, in order."""
        self._mailbox.put(event)

    def on_point(self, point: PointReached) -> None:
        """A process stands at a watched point until it is answered."""
        self._mailbox.put(point)

    def wake(self) -> None:
        """Makes everybody who waits look again (after an interruption, say)."""
        self._mailbox.put(None)

    def arm(self) -> None:
        """Records each fault as armed and hands message triggers to the links."""
        for index, armed in enumerate(self._armed):
            fault = armed.fault
            if isinstance(fault.when, OnMessage):
                action = getattr(FAULTS[fault.name], "message_action", None)
                self.running.arm_message(
                    rule_id(index), fault.when, action(fault.parameters) if action else Hold()
                )
            self.emit("fault", "armed", fault=index, name=fault.name, setup=isinstance(fault.when, OnStart))

    def strike_set_up(self) -> None:
        """Faults `when: start` land before the first client begins."""
        for index, armed in enumerate(self._armed):
            if isinstance(armed.fault.when, OnStart):
                armed.fired += 1
                self._change_busy(1)
                self._inject(index, Occasion(event=-1, job=None, process=None), None)

    def start_timers(self) -> None:
        """`at_s` counts from here, where the first client begins."""
        for index, armed in enumerate(self._armed):
            if isinstance(armed.fault.when, OnTime):
                at_s = armed.fault.when.at_s

                def post(index: int = index, at_s: float = at_s) -> None:
                    self.scheduler.sleep(at_s)
                    self._mailbox.put(_Timer(index))

                self.scheduler.spawn(f"timer {index}", post)

    @property
    def idle(self) -> bool:
        """No injection is under way, nobody waits at a place, and no fault lasts."""
        return self._busy == 0 and not self._pending and not self._lasting

    @property
    def all_fired(self) -> bool:
        return all(armed.fired for armed in self._armed)

    def until(self, seen: Callable[[], bool], timeout_s: float) -> bool:
        """Waits until `seen()`, looked at after each event; False when the time passed first."""
        waiter = _Waiter(seen, self.scheduler.mailbox())
        self._waiters.append(waiter)
        try:
            if seen():
                return True
            return waiter.wake.get(timeout_s) is not None or seen()
        finally:
            self._waiters.remove(waiter)

    def start_like(self, name: str, *, version: str | None = None) -> str:
        """Starts a process like `name` under the next free name of its role; returns it when ready."""
        role = name.rsplit(ROLE_SEPARATOR, 1)[0]
        if role not in self._names:
            self._names[role] = max(
                int(spec.name.rsplit(ROLE_SEPARATOR, 1)[1])
                for spec in self.running.specs()
                if spec.role == role
            )
        self._names[role] += 1
        new = f"{role}{ROLE_SEPARATOR}{self._names[role]}"
        self.world.start(self.running.spec(new, like=name, version=version))
        return new

    def heal_all(self) -> None:
        """Ends every lasting fault now; idempotent."""
        for index in list(self._lasting):
            self.heal(index)

    def close(self) -> None:
        """Lets everybody go and stops deciding. Faults may still be armed: they will not fire."""
        self._mailbox.put(StopIteration)
        self._task.join(5.0)

    # One task decides

    def _loop(self) -> None:
        while True:
            item = self._mailbox.get(PENDING_LOOK_S if self._pending else None)
            if item is StopIteration:
                break
            if isinstance(item, Event):
                self._fold(item)
            elif isinstance(item, PointReached):
                self._reached(item)
            elif isinstance(item, _Timer):
                self._fire(item.fault, Occasion(event=-1, job=None, process=None), None)
            self._judge_pending()
            for waiter in list(self._waiters):
                if waiter.seen():
                    waiter.wake.put(waiter)
        for pending in self._pending:
            pending.point.answer({"do": "go"})

    def _fold(self, event: Event) -> None:
        self.live.apply(event)
        if event.kind == "message" and event.phase == "done":
            self.messages_done[str(event.data.get("rule"))].append(event.data)
        for index, armed in enumerate(self._armed):
            when = armed.fault.when
            if self._open(armed) and matches(index, when, event, self.live) and self._counts(armed):
                occasion = Occasion(
                    event=event.number, job=event.job, process=event.process, message=event.data
                )
                self._fire(index, occasion, None)

    def _reached(self, point: PointReached) -> None:
        event = self.emit(
            "point", "reached", job=point.job, process=point.process, point=point.point, **point.facts
        )
        deadline_ns = self.scheduler.now_ns() + int(CATCH_UP_S * 1e9)
        self._pending.append(_Pending(point, event.number, deadline_ns))

    def _judge_pending(self) -> None:
        """A point is judged once we have seen the state that the process says it is in.

        1. the worker commits `stage = frames`, 2. it reaches the point, 3. the database tells us of 1.
        Judged between 2 and 3, `while:` would be held against a state that is already past.
        """
        for pending in list(self._pending):
            point = pending.point
            if not self._caught_up(point) and self.scheduler.now_ns() < pending.deadline_ns:
                continue
            self._pending.remove(pending)
            for index, armed in enumerate(self._armed):
                place = place_of(armed.fault.when)
                if place is None or not self._open(armed):
                    continue
                if fits(place, point.point, point.job, dict(point.facts), self.live) and self._counts(armed):
                    occasion = Occasion(
                        event=pending.event, job=point.job, process=point.process, pid=point.pid
                    )
                    self._fire(index, occasion, point)
                    break
            else:
                point.answer({"do": "go"})

    def _caught_up(self, point: PointReached) -> bool:
        if point.job is None:
            return True
        job = self.live.jobs.get(point.job)
        if job is None:
            return False
        stage, attempt = point.facts.get("stage"), point.facts.get("attempt")
        return (stage is None or job.stage == stage) and (attempt is None or job.attempt >= int(attempt))

    @staticmethod
    def _open(armed: _Armed) -> bool:
        return armed.fault.times == "each" or armed.fired == 0

    @staticmethod
    def _counts(armed: _Armed) -> bool:
        armed.matched += 1
        when = armed.fault.when
        nth = 1 if isinstance(when, OnMessage) else getattr(when, "nth", 1)  # the link has counted
        return armed.matched == nth if armed.fault.times == "once" else armed.matched >= nth

    def _fire(self, index: int, occasion: Occasion, point: PointReached | None) -> None:
        self._armed[index].fired += 1
        self._change_busy(1)
        self.scheduler.spawn(f"fault {index}", lambda: self._inject(index, occasion, point))

    def _change_busy(self, by: int) -> None:
        with self._lock:
            self._busy += by

    # Each injection is a task

    def _inject(self, index: int, occasion: Occasion, point: PointReached | None) -> None:
        fault = self._armed[index].fault
        module = FAULTS[fault.name]
        holds = isinstance(fault.when, OnMessage) and not hasattr(module, "message_action")
        hand = RunnerHand(self, index, occasion, point, holds=holds)
        try:
            self._record_fired(index, fault, occasion)
            facts = module.inject(hand, fault.parameters)
        except Missed as missed:
            self.emit("fault", "missed", fault=index, name=fault.name, why=str(missed))
        except UnstuckError as error:  # a successor that does not start is not the service's failure
            self.error = self.error or error
            self.emit("fault", "missed", fault=index, name=fault.name, why=str(error))
        except BaseException as error:
            self.error = self.error or error
            self.emit("fault", "missed", fault=index, name=fault.name, why=f"harness error: {error!r}")
            raise
        else:
            in_flight = hand.in_flight if hand.in_flight is not None else self.live.count("open_jobs")
            self.emit(
                "fault", "landed", job=occasion.job, process=occasion.process,
                fault=index, name=fault.name, in_flight=in_flight, struck_at_ns=hand.struck_at_ns, **facts,
            )  # fmt: skip
            if module.LASTING:
                self._lasting[index] = hand
        finally:
            hand.release({"do": "go"})
            self._change_busy(-1)
            self.wake()
        if index in self._lasting:
            self.scheduler.sleep(fault.parameters.for_s)
            self.heal(index)

    def _record_fired(self, index: int, fault: Fault, occasion: Occasion) -> None:
        data: dict[str, Any] = {"fault": index, "name": fault.name, "trigger": occasion.event}
        if fault.condition is not None:
            held, seen = self.live.holds(fault.condition)
            wanted = f"{fault.condition.subject} {fault.condition.comparison} {fault.condition.number}"
            data["condition"] = {"wanted": wanted, "seen": seen, "held": held}
        self.emit("fault", "fired", job=occasion.job, process=occasion.process, **data)

    def heal(self, index: int) -> bool:
        """Ends a lasting fault; False when it does not last (any more)."""
        with self._lock:  # its time may run out at the moment when somebody else heals it
            hand = self._lasting.get(index)
            if hand is None or index in self._healing:
                return False
            self._healing.add(index)
        fault = self._armed[index].fault
        try:
            FAULTS[fault.name].heal(hand, fault.parameters)
        finally:
            self._lasting.pop(index, None)
            self._healing.discard(index)
        self.emit("fault", "healed", fault=index, name=fault.name)
        return True
