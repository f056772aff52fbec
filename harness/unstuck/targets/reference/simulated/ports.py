"""The service's ports in the sim, for one life of one process.

Each call travels to a dependency and back, and others go on meanwhile: that is where everything happens.
Reading a clock is no such place, since no other process can tell it from a moment earlier or later.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from reference_service.fakes import EPOCH_S, MemoryQueue
from reference_service.ports import Message, Unavailable
from reference_service.pulled import Pulled
from unstuck.targets.port import Emit, PointReached
from unstuck.worlds.sim.incarnation import KILLED, Incarnation
from unstuck.worlds.sim.scheduler import NS, Bell, GreenScheduler

TRAVEL_LEAST_NS = 50_000
TRAVEL_SPREAD_NS = 2_000_000


class Traveller:
    """Lets virtual time pass for one way of a call: from 50 µs to 2 ms, by the process's own dice."""

    def __init__(self, scheduler: GreenScheduler, dice: random.Random) -> None:
        self._scheduler = scheduler
        self._dice = dice

    def __call__(self) -> None:
        spread_ns = int(self._dice.random() * TRAVEL_SPREAD_NS)
        self._scheduler.wait("an answer", self._scheduler.now_ns() + TRAVEL_LEAST_NS + spread_ns)


class SimClock:
    """`ports.Clock`, and the clock of what all processes share, on virtual time."""

    def __init__(self, scheduler: GreenScheduler) -> None:
        self._scheduler = scheduler

    def now(self) -> float:
        return EPOCH_S + self._scheduler.now_ns() / NS

    def monotonic(self) -> float:
        return self._scheduler.now_ns() / NS

    def sleep(self, seconds: float) -> None:
        self._scheduler.sleep(seconds)


class Remote:
    """Something that all processes share, as one of them reaches it: each call travels both ways."""

    def __init__(self, shared: object, travel: Callable[[], None]) -> None:
        self._shared = shared
        self._travel = travel

    def __getattr__(self, name: str) -> Any:
        method, travel = getattr(self._shared, name), self._travel

        def call(*given: Any, **named: Any) -> Any:
            travel()
            try:
                return method(*given, **named)
            finally:
                travel()

        setattr(self, name, call)  # found without this detour from now on
        return call


class SharedQueue:
    """What is in a queue, and a bell that rings when something is added."""

    def __init__(self, clock: SimClock, scheduler: GreenScheduler, name: str) -> None:
        self.held = MemoryQueue(clock)
        self.bell = scheduler.bell(f"a message in {name}")


class SimQueue(Pulled):
    """`ports.Queue` of one process. A long poll is answered when a message comes, as SQS does."""

    def __init__(self, shared: SharedQueue, travel: Callable[[], None]) -> None:
        self._shared = shared
        self._travel = travel

    def send(self, body: Mapping[str, Any]) -> str:
        self._travel()
        name = self._shared.held.send(body)
        self._shared.bell.ring()
        self._travel()
        return name

    def receive(self, *, wait_s: float, most: int) -> Sequence[Message]:
        found: list[Message] = []

        def look() -> bool:
            found.extend(self._shared.held.receive(wait_s=0.0, most=most))
            return bool(found)

        self._travel()
        self._shared.bell.until(look, wait_s)
        self._travel()
        return found

    def delete(self, message: Message) -> None:
        self._travel()
        self._shared.held.delete(message)
        self._travel()

    def depth(self) -> int:
        self._travel()
        depth = self._shared.held.depth()
        self._travel()
        return depth


class Ledger:
    """The downstream system's own book: the first report of a key is applied."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._keys: set[str] = set()

    def report(self, *, job: str, key: str, attempt: int, token: int, facts: Mapping[str, Any]) -> bool:
        del facts
        applied = key not in self._keys
        self._keys.add(key)
        self._emit("effect", job=job, key=key, attempt=attempt, token=token, applied=applied)
        return applied


class SimVision:
    """`ports.Vision`: answers as long as `find` finds a life that does; a frozen one hangs for `answer_s`.

    What finds nobody is recorded as a link would, as `refused`; what has no answer in time, as `unanswered`.
    """

    def __init__(
        self,
        find: Callable[[], Incarnation | None],
        travel: Callable[[], None],
        *,
        scheduler: GreenScheduler,
        answer_s: float,
        process: str,
        emit: Emit,
    ) -> None:
        self._find = find
        self._travel = travel
        self._scheduler = scheduler
        self._answer_s = answer_s
        self._process = process
        self._emit = emit

    def caption(self, jpeg: bytes) -> str:
        self._travel()
        life = self._find()
        if life is not None and life.frozen:
            bell = self._scheduler.bell("an answer of vision")
            life.when_thawed(bell.ring)
            life.when_ended(bell.ring)
            bell.until(lambda: life.dead or not life.frozen, self._answer_s)
        self._travel()
        if life is None:
            raise self._in_vain("refused", "connection refused")
        if life.dead or life.frozen:
            raise self._in_vain("unanswered", "no answer")
        return f"{len(jpeg)} bytes of something"

    def _in_vain(self, phase: str, why: str) -> Unavailable:
        self._emit("message", phase, process=self._process, link=f"{self._process}.vision", facts={})
        return Unavailable(f"vision: {why}")


class SimPoints:
    """`ports.Points`: tells the harness of a watched point, and stands there until it is answered."""

    def __init__(
        self, scheduler: GreenScheduler, watch: Sequence[str], on_point: Callable[[PointReached], None]
    ) -> None:
        self._scheduler = scheduler
        self._watch = frozenset(watch)
        self._on_point = on_point

    def reach(self, name: str, *, job: str | None = None, **facts: str | int) -> None:
        life = self._scheduler.current.owner
        if life is None or (name not in self._watch and "*" not in self._watch):
            return
        answers: list[Mapping[str, Any]] = []
        bell: Bell = self._scheduler.bell(f"an answer at {name}")

        def answer(directive: Mapping[str, Any]) -> None:
            answers.append(directive)
            bell.ring()

        point = PointReached(
            point=name,
            process=life.name,
            pid=life.pid,
            job=job,
            facts=dict(facts),
            answer=answer,
            gone=lambda: life.dead,
        )
        self._on_point(point)
        bell.until(partial(bool, answers), None)
        if answers[0]["do"] == "crash":
            life.end(signal=KILLED)
            self._scheduler.halt()
