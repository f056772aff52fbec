"""Arms the faults of a plan, fires them from events and places, and heals what lasts.

One task folds the history and decides; each injection runs in a task of its own, and hands back what it
changed through the same mailbox. Whoever waits is looked after by that task too, between two events, so
nobody ever sees a state that is half folded. A process that stands at a test point waits for our answer,
so the decision is made while it stands there: no race.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from unstuck.errors import HarnessError, Interrupted, UnstuckError
from unstuck.faults import FAULTS
from unstuck.faults.port import Missed, Occasion
from unstuck.history import Event
from unstuck.links.rules import Hold
from unstuck.plan import Plan, place_of
from unstuck.runner.hand import RunnerHand
from unstuck.runner.live import Live
from unstuck.runner.places import Arrival, shared
from unstuck.runner.refused import refuse_impossible
from unstuck.runner.strokes import Armed, Stroke
from unstuck.runner.triggers import fits, matches, rule_id
from unstuck.runner.waiting import LOOK, Waiters
from unstuck.scenario import OnMessage, OnStart, OnTime
from unstuck.targets.port import Emit, PointReached, Running
from unstuck.worlds.port import Scheduler, World

CATCH_UP_S = 2.0  # for the triggers' notice of a state to reach us after a process stands in it
PENDING_LOOK_S = 0.05
HEALED_WITHIN_S = 60.0  # a successor that has to get ready takes the longest
CLOSED_WITHIN_S = 5.0
ROLE_SEPARATOR = "-"
BY_NOBODY = Occasion(event=-1, job=None, process=None)  # set-up and time: no event fires them


@dataclass(frozen=True, slots=True)
class _Timer:
    fault: int


class _Close:
    """The last item of the mailbox."""


class Engine:
    """Owns the faults of one run. `running` is set before `arm`; `close` lets everybody go.

    Raises `UsageError` for a fault whose trigger it cannot serve, before anything starts.
    """

    running: Running

    def __init__(self, *, plan: Plan, world: World, emit: Emit) -> None:
        for index, fault in enumerate(plan.faults):
            refuse_impossible(index, fault)
        self.world = world
        self.scheduler: Scheduler = world.scheduler
        self.emit = emit
        self.live = Live()
        self.error: HarnessError | None = None  # the first, with what could not be done
        self.blows = 0  # how often a fault has landed or was healed, as far as the history is folded
        self.messages_done: dict[tuple[str, Any], Mapping[str, Any]] = {}  # by rule and number
        self.messages_held: dict[tuple[str, Any], Mapping[str, Any]] = {}  # same; also those let go since
        self.op_numbers = itertools.count(1)  # of ops that faults perform
        self._armed = [Armed(fault) for fault in plan.faults]
        self._mailbox = self.scheduler.mailbox()
        self._waiters = Waiters(self.scheduler, self._mailbox.put)
        self._arrivals: list[Arrival] = []  # processes that stand at a place, and are not judged yet
        self._strokes: list[Stroke] = []
        self._lock = threading.Lock()  # for who heals, and for names; never held for long
        self._names: dict[str, int] = {}
        self._closed = False
        self._task = self.scheduler.spawn("engine", self._loop)

    # What the rest of the harness tells the engine

    def on_event(self, event: Event) -> None:
        """Subscribed to the recorder: every event, in order."""
        self._mailbox.put(event)

    def on_point(self, point: PointReached) -> None:
        """A process stands at a watched point until it is answered."""
        self._mailbox.put(point)
        if self._closed:
            point.answer({"do": "go"})

    def wake(self) -> None:
        """Makes everybody who waits look again (after an interruption, say)."""
        self._mailbox.put(LOOK)

    def fail(self, what: str, error: BaseException) -> None:
        """The harness could not do `what`: the run ends with the first such error."""
        if self.error is None and not isinstance(error, Interrupted):
            said = str(error) if isinstance(error, UnstuckError) else repr(error)
            failure = HarnessError(f"{what}: {said}")
            failure.__cause__ = error
            self.error = failure
        self.wake()

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
        """Faults `when: start` land before the first client begins; those that last go on from there."""
        for index, armed in enumerate(self._armed):
            if isinstance(armed.fault.when, OnStart):
                stroke = self._fired(index, BY_NOBODY, None)
                self._strike(stroke)
                if stroke.lasting:
                    self.scheduler.spawn(f"fault {index}", partial(self._last, stroke))

    def start_timers(self) -> None:
        """`at_s` counts from here, where the first client begins."""
        for index, armed in enumerate(self._armed):
            if isinstance(armed.fault.when, OnTime):
                self.scheduler.spawn(f"timer {index}", partial(self._post, index, armed.fault.when.at_s))

    def _post(self, index: int, at_s: float) -> None:
        self.until(lambda: self._closed, at_s)
        self._mailbox.put(_Timer(index))

    @property
    def idle(self) -> bool:
        """No injection is under way, nobody waits at a place, and no fault lasts."""
        return not self._strokes and not self._arrivals

    @property
    def all_fired(self) -> bool:
        return all(armed.fired for armed in self._armed)

    def until(self, seen: Callable[[], bool], timeout_s: float) -> bool:
        """Waits until `seen()`, looked at after each event and once more at the end of the time.

        Raises what `seen` raises. A closed engine looks once and does not wait.
        """
        return self._waiters.until(seen, timeout_s)

    def start_like(self, name: str, *, version: str | None = None) -> str:
        """Starts a process like `name` under the next free name of its role; returns it when ready.

        One without a number is the only one of its kind, a dependency: it comes back as itself.
        """
        role, _, number = name.rpartition(ROLE_SEPARATOR)
        if not number.isdecimal():
            self.world.start(self.running.spec(name, like=name, version=version))
            return name
        with self._lock:  # two faults may replace at once
            used = self._names.get(role) or max(
                int(spec.name.rsplit(ROLE_SEPARATOR, 1)[1])
                for spec in self.running.specs()
                if spec.role == role
            )
            self._names[role] = used + 1
        new = f"{role}{ROLE_SEPARATOR}{used + 1}"
        self.world.start(self.running.spec(new, like=name, version=version))
        return new

    def heal_all(self) -> None:
        """Ends every lasting fault now, and returns when each of them is over; idempotent."""
        for stroke in list(self._strokes):
            self._heal(stroke)
        self.until(lambda: not any(stroke.lasting for stroke in self._strokes), HEALED_WITHIN_S)

    def heal(self, index: int) -> bool:
        """Ends a lasting fault; False when it does not last (any more)."""
        healed = [self._heal(stroke) for stroke in list(self._strokes) if stroke.index == index]
        return any(healed)

    def close(self) -> None:
        """Lets everybody go and stops deciding. Faults may still be armed: they will not fire."""
        self._mailbox.put(_Close())
        self._task.join(CLOSED_WITHIN_S)

    # One task decides

    def _loop(self) -> None:
        while True:
            item = self._mailbox.get(PENDING_LOOK_S if self._arrivals else None)
            if isinstance(item, _Close):
                break
            try:
                self._take(item)
                self._judge_arrivals()
            except Exception as error:  # noqa: BLE001  it must live: points wait for its answers
                self.fail("the engine", error)
                if isinstance(item, PointReached):
                    item.answer({"do": "go"})
            self._waiters.look()
        self._closed = True
        while (item := self._mailbox.get(0)) is not None or self._arrivals:
            if isinstance(item, PointReached):
                item.answer({"do": "go"})
            if self._arrivals:
                self._arrivals.pop().point.answer({"do": "go"})
        self._waiters.close()

    def _take(self, item: object) -> None:
        if isinstance(item, Event):
            self._fold(item)
        elif isinstance(item, PointReached):
            self._reached(item)
        elif isinstance(item, _Timer):
            self._fire(item.fault, BY_NOBODY, None)
        elif isinstance(item, Stroke):
            self._strokes.remove(item)

    def _fold(self, event: Event) -> None:
        self.live.apply(event)
        if event.kind == "message" and event.phase in ("done", "held"):
            found = self.messages_done if event.phase == "done" else self.messages_held
            found[str(event.data.get("rule")), event.data.get("nth")] = event.data
        if event.kind == "fault" and event.phase in ("landed", "healed"):
            self.blows += 1
        for index, armed in enumerate(self._armed):
            when = armed.fault.when
            if self._open(armed) and matches(index, when, event, self.live) and self._counts(armed):
                occasion = Occasion(
                    event=event.number, job=event.job, process=event.process, message=event.data
                )
                self._fire(index, occasion, None)

    def _reached(self, point: PointReached) -> None:
        event = self.emit(
            "point", "reached", job=point.job, process=point.process, **{**point.facts, "point": point.point}
        )
        told = replace(point, answer=partial(self._answer, point))
        deadline_ns = self.scheduler.now_ns() + int(CATCH_UP_S * 1e9)
        self._arrivals.append(Arrival(told, event.number, deadline_ns))

    def _answer(self, point: PointReached, directive: Mapping[str, Any]) -> None:
        point.answer(directive)
        self.emit(
            "point", "released", job=point.job, process=point.process,
            **{**point.facts, "point": point.point, "directive": directive["do"]},
        )  # fmt: skip

    def _judge_arrivals(self) -> None:
        """A point is judged once we have seen the state that the process says it is in.

        1. the worker commits `stage = frames`, 2. it reaches the point, 3. the database tells us of 1.
        Judged between 2 and 3, `while:` would be held against a state that is already past.
        """
        for arrival in list(self._arrivals):
            if arrival.point.gone():
                # Somebody else killed it meanwhile: its successor stands at no place.
                self._arrivals.remove(arrival)
            elif arrival.caught_up(self.live) or self.scheduler.now_ns() >= arrival.deadline_ns:
                self._arrivals.remove(arrival)
                self._judge(arrival)

    def _judge(self, arrival: Arrival) -> None:
        """Every fault that waits for this place counts it; those whose turn it is strike."""
        point = arrival.point
        turns = [index for index, armed in enumerate(self._armed) if self._is_its_turn(armed, point)]
        if not turns:
            point.answer({"do": "go"})
        occasion = Occasion(event=arrival.event, job=point.job, process=point.process, pid=point.pid)
        for index, share in zip(turns, shared(point, len(turns)), strict=True):
            self._fire(index, occasion, share)

    def _is_its_turn(self, armed: Armed, point: PointReached) -> bool:
        place = place_of(armed.fault.when)
        return (
            place is not None
            and self._open(armed)
            and fits(place, point.point, point.job, point.facts, self.live)
            and self._counts(armed)
        )

    @staticmethod
    def _open(armed: Armed) -> bool:
        when = armed.fault.when
        most = when.first or 1 if isinstance(when, OnMessage) else 1
        return armed.fault.times == "each" or armed.fired < most

    @staticmethod
    def _counts(armed: Armed) -> bool:
        armed.matched += 1
        if isinstance(armed.fault.when, OnMessage):
            return True  # the link has counted
        nth = getattr(armed.fault.when, "nth", 1)
        return armed.matched == nth if armed.fault.times == "once" else armed.matched >= nth

    def _fire(self, index: int, occasion: Occasion, point: PointReached | None) -> None:
        self.scheduler.spawn(f"fault {index}", partial(self._carry_out, self._fired(index, occasion, point)))

    def _fired(self, index: int, occasion: Occasion, point: PointReached | None) -> Stroke:
        """Records the firing, with what `while:` demanded and what was so at this moment."""
        armed = self._armed[index]
        fault = armed.fault
        armed.fired += 1
        data: dict[str, Any] = {"fault": index, "name": fault.name, "blow": armed.fired}
        holds = isinstance(fault.when, OnMessage) and not hasattr(FAULTS[fault.name], "message_action")
        then = fault.when.then if holds else None  # type: ignore[union-attr]  # it is said in `holds`
        stroke = Stroke(dict(data), index, RunnerHand(self, index, occasion, point, then=then))
        self._strokes.append(stroke)
        data["trigger"] = occasion.event
        if fault.condition is not None:
            held, seen = self.live.holds(fault.condition)
            wanted = f"{fault.condition.subject} {fault.condition.comparison} {fault.condition.number}"
            data["condition"] = {"wanted": wanted, "seen": seen, "held": held}
        self.emit("fault", "fired", job=occasion.job, process=occasion.process, **data)
        return stroke

    # Each injection is a task

    def _carry_out(self, stroke: Stroke) -> None:
        self._strike(stroke)
        if stroke.lasting:
            self._last(stroke)

    def _strike(self, stroke: Stroke) -> None:
        """Injects, and records `landed` or `missed`; never raises. What lasts is in force afterwards."""
        index, hand = stroke.index, stroke.hand
        fault = self._armed[index].fault
        module, about = FAULTS[fault.name], stroke.about
        try:
            facts = module.inject(hand, fault.parameters)
            hand.dealing()
            stroke.lasting = module.LASTING  # before `landed` is told: whoever hears of it may heal it
            self.emit(
                "fault", "landed", job=hand.occasion.job, process=hand.occasion.process,
                **{**facts, **about, "in_flight": hand.in_flight, "struck_at_ns": hand.struck_at_ns},
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  whatever it is, the place must be left and the run go on
            if not isinstance(error, Missed):  # a successor that does not start is not the service's failure
                self.fail(f"fault {index} ({fault.name}) could not be carried out", error)
            self._undo(stroke)
            stroke.lasting = False
            self.emit("fault", "missed", **about, why=str(error) or repr(error))
        finally:
            self._let_go(stroke)
            if not stroke.lasting:
                self._mailbox.put(stroke)

    def _let_go(self, stroke: Stroke) -> None:
        over = not stroke.lasting or stroke.healing
        try:
            if over or not stroke.hand.stays:
                stroke.hand.release({"do": "go"})
            if over:
                stroke.hand.free_message()
        except Exception as error:  # noqa: BLE001  the link is gone, and what it held with it
            self.fail("letting go of a held message", error)

    def _undo(self, stroke: Stroke) -> None:
        """A blow that lands in part only must not last: two of three processes paused, say."""
        fault = self._armed[stroke.index].fault
        if FAULTS[fault.name].LASTING:
            try:
                FAULTS[fault.name].heal(stroke.hand, fault.parameters)
            except Exception as error:  # noqa: BLE001  told once, with what came before
                self.fail(f"fault {stroke.index} ({fault.name}) could not be undone", error)

    def _last(self, stroke: Stroke) -> None:
        """Waits for the end of a lasting fault's time, unless somebody heals it before."""
        for_s = self._armed[stroke.index].fault.parameters.for_s
        self.until(lambda: stroke.healing or self._closed, for_s)
        if not self._closed:  # teardown has healed what lasted before it closed us
            self._heal(stroke)

    def _heal(self, stroke: Stroke) -> bool:
        with self._lock:  # its time may run out at the moment when somebody else heals it
            if not stroke.lasting or stroke.healing:
                return False
            stroke.healing = True
        fault = self._armed[stroke.index].fault
        try:
            FAULTS[fault.name].heal(stroke.hand, fault.parameters)
            self.emit("fault", "healed", **stroke.about)
        except Exception as error:  # noqa: BLE001  it still lasts, so nothing may be judged
            self.fail(f"fault {stroke.index} ({fault.name}) could not be healed", error)
        finally:
            self._let_go(stroke)
            self._mailbox.put(stroke)
        return True
