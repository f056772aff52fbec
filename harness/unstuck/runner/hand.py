"""What a fault holds in its hand while it strikes: the world, the place, and the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from unstuck.errors import TargetError
from unstuck.faults.port import Missed, Occasion, OpEnd
from unstuck.links.rules import LinkState, Then
from unstuck.links.toxics.port import Toxic
from unstuck.runner.triggers import rule_id

if TYPE_CHECKING:
    from unstuck.runner.engine import Engine
    from unstuck.targets.port import PointReached

SIGNAL_OUT_WITHIN_S = 10.0
STOP_SLACK_S = 10.0  # beyond the grace, for the kill to be seen
MESSAGE_SLACK_S = 30.0  # beyond what the fault itself takes, for a slow dependency to take the bytes
LOOK_EVERY_S = 0.02  # nobody tells us that a process at a place has ended: we look


class RunnerHand:
    """The `Hand` of one injection. Whoever waits at the place is let go at the first `struck`."""

    def __init__(
        self, engine: Engine, fault: int, occasion: Occasion, point: PointReached | None, *, then: str | None
    ) -> None:
        """`then`: what becomes of the message that waits for the blow; None: none does."""
        self._engine = engine
        self.number = fault
        self._point = point
        self._waiting = point  # None once it was answered
        self._then = then
        self.occasion = occasion
        self.world = engine.world
        self.scheduler = engine.scheduler
        self.memory: dict[str, Any] = {}
        self.stays = False  # who stands at the place: until the blow is healed
        self.in_flight: int | None = None  # open jobs when the blow was dealt
        self.struck_at_ns: int | None = None

    # The blow

    def dealing(self) -> None:
        if self.in_flight is None:
            self.in_flight = self._engine.live.count("open_jobs")
            self.struck_at_ns = self.scheduler.now_ns()

    def struck(self) -> None:
        self.dealing()
        self.release({"do": "go"})

    def release(self, directive: Mapping[str, Any]) -> bool:
        """Lets go whoever waits; False when nobody does (any more)."""
        point, self._waiting = self._waiting, None
        if point is not None:
            point.answer(directive)
        if self._then != "late":
            self.free_message()
        return point is not None

    def free_message(self) -> None:
        """Lets go of the message that waits, whatever it waits for."""
        then, self._then = self._then, None
        if then is not None:
            self.release_message("cut" if then == "cut" else "forward")

    def direct(self, directive: Mapping[str, Any]) -> bool:
        if self._waiting is None:
            return False
        self.dealing()
        return self.release(directive)

    def stay(self) -> bool:
        self.dealing()
        self.stays = self._waiting is not None
        return self.stays

    def gone(self) -> bool:
        return self._point is None or self._point.gone()

    def kept(self) -> bool:
        return self._point is not None and self._point.kept()

    def message_landed(self, *outcomes: str, takes_s: float = 0.0) -> Mapping[str, Any]:
        self.dealing()
        engine, rule = self._engine, rule_id(self.number)
        about = self.occasion.message or {}
        key = (rule, about.get("nth"))
        if not self.until("the link is done", lambda: key in engine.messages_done, takes_s + MESSAGE_SLACK_S):
            raise Missed(f"the link never said that it was done with the message ({rule})")
        done = engine.messages_done[key]
        facts = dict(done.get("facts") or {})
        if done.get("outcome") not in outcomes:
            raise Missed(f"the link could not do it: {done.get('outcome')} {facts or ''}".rstrip())
        job = self.occasion.job or engine.live.named_in(str(facts))
        how = f"{done.get('label')} on {done.get('link')}: {done.get('outcome')}"
        return {"how": how, "jobs": [job] if job else [], "message": facts}

    def message_held(self) -> Mapping[str, Any]:
        self.dealing()
        engine, rule = self._engine, rule_id(self.number)
        key = (rule, (self.occasion.message or {}).get("nth"))
        if not self.until("the link holds it", lambda: key in engine.messages_held, MESSAGE_SLACK_S):
            raise Missed(f"the link never said that it holds the message ({rule})")
        held = engine.messages_held[key]
        job = self.occasion.job or engine.live.named_in(str(self.occasion.message))
        return {"how": f"{held.get('label')} on {held.get('link')}: held", "jobs": [job] if job else []}

    def release_message(self, then: Then = "forward") -> None:
        nth = (self.occasion.message or {}).get("nth")
        self._engine.running.release_message(rule_id(self.number), then, nth)

    # Processes

    def names(self, role: str, which: str) -> Sequence[str]:
        running = list(self.world.running(role))
        if which == "all":
            return running
        if which == "any":
            return running[:1]
        name = self.occasion.process
        if which == "holder":
            name = None if self.occasion.job is None else self.holder_of(self.occasion.job)
        return [name] if name in running else []

    @property
    def moved_by_hand(self) -> AbstractSet[str]:
        return self._engine.live.moved_by_hand

    def holder_of(self, job: str) -> str | None:
        known = self._engine.live.jobs.get(job)
        return known.worker if known else None

    def held_by(self, process: str) -> Sequence[str]:
        return self._engine.live.held_by(process)

    def stop(self, name: str, *, grace_s: float) -> bool:
        # 1. the stop signal goes out, 2. the place is released, 3. grace runs. Released before 1, the
        # process would run on from the place and the blow would land somewhere else.
        live, done = self._engine.live, list[bool]()
        self.until("all that was recorded is folded", lambda: True, SIGNAL_OUT_WITHIN_S)
        before = live.stops[name]

        def stop() -> None:
            try:
                self.world.stop(name, grace_s=grace_s)
            finally:
                done.append(True)
                self._engine.wake()

        task = self.scheduler.spawn(f"stop {name}", stop)
        self.until("the signal is out", lambda: live.stops[name] > before or bool(done), SIGNAL_OUT_WITHIN_S)
        signalled = live.stops[name] > before
        self.struck()
        if not task.join(grace_s + STOP_SLACK_S):
            raise Missed(f"{name} is still there {grace_s + STOP_SLACK_S:g} s after the stop signal")
        return signalled

    def wait_gone(self, name: str, pids: Sequence[int], timeout_s: float) -> bool:
        live = self._engine.live

        def told() -> bool:
            process = live.ready.get(name)
            return process is None or process.pid not in pids

        # The operating system knows first, the supervisor's word follows: until then it would seem ready.
        return self.world.wait_gone(name, pids, timeout_s) and self.until("its exit is told", told, timeout_s)

    def replace(self, name: str, *, version: str | None = None) -> str:
        try:
            return self._engine.start_like(name, version=version)
        except TargetError as error:
            # 1. it starts, 2. another fault takes its role away, 3. it is gone unready: nobody's failure.
            self.until("all that was recorded is folded", lambda: True, SIGNAL_OUT_WITHIN_S)
            # Only its own name, which comes first: the end of its log may name others.
            told = str(error)
            hit = [one for one in self._engine.live.signalled if told.startswith(f"process {one!r}")]
            if not hit:
                raise
            raise Missed(f"{hit[0]} was hit by another fault before it was ready") from error

    # The target

    def link_state(self, link: str, state: LinkState) -> None:
        self._engine.running.link_state(link, state)

    def add_toxic(self, link: str, toxic: Toxic) -> Sequence[str]:
        links = self._engine.running.add_toxic(link, toxic)
        if not links:
            raise Missed(f"{toxic.name} was not in force on {link} when it was read back")
        return links

    def remove_toxic(self, link: str, name: str) -> None:
        self._engine.running.remove_toxic(link, name)

    def poisoned(self, name: str) -> Sequence[str]:
        return sorted(self._engine.live.poisoned.get(name, ()))

    def target(self, action: str, **parameters: Any) -> Mapping[str, Any]:
        return self._engine.running.ability(action, parameters)

    def op(self, action: str, job: str) -> OpEnd:
        number = next(self._engine.op_numbers)
        client = f"fault-{self.number}"
        about: dict[str, Any] = {"id": f"fault.{number}", "client": client, "action": action}
        self._engine.emit("op", "invoke", job=job, **about)
        reply = self._engine.running.call(action, {"job": job, "client": client})
        facts: dict[str, Any] = {"error": reply.error} if reply.error else {}
        status = reply.data.get("status")
        if status is not None:
            facts["status"] = status
        self._engine.emit("op", reply.phase, job=job, **about, **facts)
        return OpEnd(phase=reply.phase, status=status)

    # The run

    def heal(self, fault: int) -> bool:
        return self._engine.heal(fault)

    def until(self, what: str, seen: Callable[[], bool], timeout_s: float) -> bool:  # noqa: ARG002  for readers
        return self._engine.until(seen, timeout_s)

    def until_gone(self, timeout_s: float) -> bool:
        deadline_ns = self.scheduler.now_ns() + int(timeout_s * 1e9)
        while not (self.gone() or self.kept()) and self.scheduler.now_ns() < deadline_ns:
            self._engine.until(lambda: self.gone() or self.kept(), LOOK_EVERY_S)
        return self.gone() and not self.kept()
