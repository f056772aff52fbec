"""Histories made by hand for tests: each call adds one or a few events, 10 ms apart unless told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unstuck.checks.port import Property, PropertyResult
from unstuck.checks.story import Story
from unstuck.history import Event, History

STEP_S = 0.01


class Draft:
    """Grows a history. `now_s` is the time of the next event; tests may set it."""

    def __init__(self, *, start: bool = True, **facts: Any) -> None:
        self.events: list[Event] = []
        self.now_s = 0.0
        self._op = 0
        if start:
            self.add(
                "run", "start", **{"expect": {}, "budget_s": 10.0, "promise": "effectively_once", **facts}
            )

    def add(
        self,
        kind: str,
        phase: str | None = None,
        *,
        at_s: float | None = None,
        job: str | None = None,
        process: str | None = None,
        data: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> int:
        """Adds an event and returns its number."""
        if at_s is None:
            self.now_s = round(self.now_s + STEP_S, 6)
            at_s = self.now_s
        number = len(self.events)
        values = {**(data or {}), **facts}
        self.events.append(Event(number, round(at_s * 1e9), kind, phase, job, process, values))
        return number

    def move(self, job: str, way: str, *, attempt: int = 0, token: int = 0, **facts: Any) -> int:
        """`way` is `queued>active`; `>queued` makes the job."""
        before, after = way.split(">")
        at_s = facts.pop("at_s", None)
        return self.add(
            "transition", job=job, at_s=at_s,
            data={"from": before or None, "to": after, "attempt": attempt, "token": token, **facts},
        )  # fmt: skip

    def logged(self, job: str, way: str, *, attempt: int = 0, token: int = 0, **facts: Any) -> int:
        """The same in the service's own log."""
        before, after = way.split(">")
        return self.add(
            "said", "transitions", job=job,
            data={"from": before or None, "to": after, "attempt": attempt, "token": token, **facts},
        )  # fmt: skip

    def invoke(self, action: str, job: str | None = None, **facts: Any) -> str:
        """Begins an op; returns its id."""
        self._op += 1
        name = f"client-1.{self._op}"
        self.add("op", "invoke", job=job, id=name, client="client-1", action=action, **facts)
        return name

    def answer(self, op: str, phase: str, job: str | None = None, **facts: Any) -> int:
        """Ends an op."""
        action = next(e.data["action"] for e in self.events if e.kind == "op" and e.data["id"] == op)
        return self.add("op", phase, job=job, id=op, client="client-1", action=action, **facts)

    def op(self, action: str, job: str | None = None, phase: str = "ok", **facts: Any) -> int:
        """A whole op; returns the number of its end."""
        return self.answer(self.invoke(action, job, **facts), phase, job)

    def submitted(self, job: str, tag: str = "job") -> None:
        """A client announces an upload and puts it; the job awaits its completion."""
        op = self.invoke("initiate_upload", tag=tag)
        self.move(job, ">awaiting_upload")
        self.answer(op, "ok", job)
        self.op("put_object", job)

    def queued(self, job: str, tag: str = "job") -> None:
        """As `submitted`, and completed."""
        self.submitted(job, tag)
        op = self.invoke("complete_upload", job)
        self.move(job, "awaiting_upload>queued")
        self.answer(op, "ok", job)

    def claimed(self, job: str, *, worker: str = "worker-1", attempt: int = 1, token: int = 1) -> int:
        """A worker claims a queued job."""
        return self.move(job, "queued>active", attempt=attempt, token=token, worker=worker)

    def effect(self, job: str, *, key: str | None = None, applied: bool = True, token: int = 1) -> int:
        return self.add("effect", job=job, key=key or job, attempt=1, token=token, applied=applied)

    def succeeded(self, job: str, tag: str = "job") -> None:
        """A whole, healthy life, with its effect."""
        self.queued(job, tag)
        self.claimed(job)
        self.effect(job)
        self.move(job, "active>succeeded", attempt=1, token=1)

    def outcome(self, job: str, state: str | None, held: str | None = None, **facts: Any) -> int:
        return self.add("outcome", job=job, state=state, held=held, **facts)

    def process(self, name: str, phase: str, **facts: Any) -> int:
        return self.add("process", phase, process=name, **facts)

    def fault(self, *phases: str, index: int = 0, name: str = "kill", **facts: Any) -> None:
        """The phases of one fault, one after another; `facts` go to all of them."""
        for phase in phases:
            self.add("fault", phase, fault=index, data={"name": name, **facts})

    def end(self, reason: str = "settled", *, budget: bool = True, **facts: Any) -> None:
        if budget:
            self.add("run", "budget")
        self.add("run", "end", reason=reason, **facts)

    def history(self, cut: str | None = None) -> History:
        return History(tuple(self.events), cut)

    def story(self) -> Story:
        return Story(self.history())

    def check(self, module: Property, **params: Any) -> PropertyResult:
        return module.check(self.story(), params)
