"""What a fault holds in its hand while it strikes: the world, the place, and the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unstuck.faults.port import Missed, Occasion
from unstuck.links.rules import LinkState
from unstuck.runner.triggers import rule_id

if TYPE_CHECKING:
    from unstuck.runner.engine import Engine
    from unstuck.targets.port import PointReached

STOP_SLACK_S = 10.0  # beyond the grace, for the kill to be seen
MESSAGE_TIMEOUT_S = 30.0
FAILED_OUTCOMES = frozenset({"failed", "shadowed"})


class RunnerHand:
    """The `Hand` of one injection. Whoever waits at the place is let go at the first `struck`."""

    def __init__(
        self, engine: Engine, fault: int, occasion: Occasion, point: PointReached | None, *, holds: bool
    ) -> None:
        self._engine = engine
        self._fault = fault
        self._point = point
        self._waiting = point  # None once it was answered
        self._holds_message = holds
        self.occasion = occasion
        self.world = engine.world
        self.scheduler = engine.scheduler
        self.memory: dict[str, Any] = {}
        self.in_flight: int | None = None  # open jobs when the blow was dealt
        self.struck_at_ns: int | None = None

    def struck(self) -> None:
        if self.in_flight is None:
            self.in_flight = self._engine.live.count("open_jobs")
            self.struck_at_ns = self.scheduler.now_ns()
        self.release({"do": "go"})

    def release(self, directive: Mapping[str, Any]) -> bool:
        """Lets go whoever waits; False when nobody does (any more)."""
        point, self._waiting = self._waiting, None
        if point is not None:
            point.answer(directive)
            self._engine.emit(
                "point", "released", job=point.job, process=point.process,
                point=point.point, directive=directive["do"],
            )  # fmt: skip
        if self._holds_message:
            self._holds_message = False
            self._engine.running.release_message(rule_id(self._fault), "forward")
        return point is not None

    def direct(self, directive: Mapping[str, Any]) -> bool:
        if self._waiting is None:
            return False
        self.in_flight = self._engine.live.count("open_jobs")
        self.struck_at_ns = self.scheduler.now_ns()
        return self.release(directive)

    def gone(self) -> bool:
        return self._point is None or self._point.gone()

    def kept(self) -> bool:
        return self._point is not None and self._point.kept()

    def stop(self, name: str, *, grace_s: float) -> None:
        # 1. the stop signal goes out, 2. the place is released, 3. grace runs. Released before 1, the
        # process would run on from the place and the blow would land somewhere else.
        self._engine.live.signalled.discard(name)
        done: list[bool] = []

        def stop() -> None:
            self.world.stop(name, grace_s=grace_s)
            done.append(True)

        task = self.scheduler.spawn(f"stop {name}", stop)
        self.until(
            "the signal is out", lambda: name in self._engine.live.signalled or bool(done), STOP_SLACK_S
        )
        self.struck()
        if not task.join(grace_s + STOP_SLACK_S):
            raise Missed(f"{name} is still there {grace_s + STOP_SLACK_S:g} s after the stop signal")

    def holder_of(self, job: str) -> str | None:
        known = self._engine.live.jobs.get(job)
        return known.worker if known else None

    def held_by(self, process: str) -> Sequence[str]:
        return self._engine.live.held_by(process)

    def names(self, role: str, which: str) -> Sequence[str]:
        running = list(self.world.running(role))
        if which == "all":
            return running
        if which == "any":
            return running[:1]
        name = self.occasion.process
        if which == "holder" and self.occasion.job is not None:
            name = self.holder_of(self.occasion.job)
        return [name] if name in running else []

    def replace(self, name: str, *, version: str | None = None) -> str:
        return self._engine.start_like(name, version=version)

    def link_state(self, link: str, state: LinkState) -> None:
        self._engine.running.link_state(link, state)

    def target(self, action: str, **parameters: Any) -> Mapping[str, Any]:
        return self._engine.running.ability(action, parameters)

    def message_landed(self) -> Mapping[str, Any]:
        self.in_flight = self._engine.live.count("open_jobs")
        self.struck_at_ns = self.scheduler.now_ns()
        rule = rule_id(self._fault)
        done = self._engine.messages_done
        before = self._engine.messages_landed.get(rule, 0)
        if not self.until("the link is done", lambda: len(done.get(rule, ())) > before, MESSAGE_TIMEOUT_S):
            raise Missed(f"the link never said that it was done with the message ({rule})")
        self._engine.messages_landed[rule] = before + 1
        facts = done[rule][before]
        outcome = str(facts.get("outcome"))
        if outcome in FAILED_OUTCOMES:
            raise Missed(f"the link could not do it: {outcome} {facts.get('facts') or ''}".rstrip())
        job = self.occasion.job or self._engine.live.named_in(str(facts.get("facts")))
        how = f"{facts.get('label')} on {facts.get('link')}: {outcome}"
        return {"how": how, "jobs": [job] if job else [], "message": dict(facts.get("facts") or {})}

    def heal(self, fault: int) -> bool:
        return self._engine.heal(fault)

    def op(self, action: str, job: str) -> str:
        number = next(self._engine.op_numbers)
        client = f"fault-{self._fault}"
        about: dict[str, Any] = {"id": f"fault.{number}", "client": client, "action": action}
        self._engine.emit("op", "invoke", job=job, **about)
        reply = self._engine.running.call(action, {"job": job, "client": client})
        facts: dict[str, Any] = {"error": reply.error} if reply.error else {}
        if "status" in reply.data:
            facts["status"] = reply.data["status"]
        self._engine.emit("op", reply.phase, job=job, **about, **facts)
        return reply.phase

    def record(self, kind: str, phase: str | None = None, **data: Any) -> None:
        self._engine.emit(kind, phase, **data)

    def until(self, what: str, seen: Callable[[], bool], timeout_s: float) -> bool:  # noqa: ARG002  for readers
        return self._engine.until(seen, timeout_s)
