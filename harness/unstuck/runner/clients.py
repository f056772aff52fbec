"""The clients of a run: each performs the steps of one upload, and records what it was told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from unstuck.plan import ClientPlan
from unstuck.scenario import (
    TERMINAL_STATES,
    Cancel,
    Complete,
    Initiate,
    PublishEvent,
    Put,
    PutParts,
    Step,
    Submit,
    Wait,
)
from unstuck.targets.port import Emit, Reply, Running
from unstuck.worlds.port import Scheduler

INITIATE_TRIES = 3
MAKING = frozenset({"initiate_upload", "submit"})  # ops whose ok names a new job
WAIT_TIMEOUT_S = 60.0  # of a step that waits for a state that never comes


class Client:
    """Performs a `ClientPlan` against a running target. A step that fails ends nothing but itself."""

    def __init__(
        self,
        plan: ClientPlan,
        running: Running,
        scheduler: Scheduler,
        emit: Emit,
        until: Callable[[Callable[[], bool], float], bool],
        state_of: Callable[[str], str | None],
        over: Callable[[], bool],
    ) -> None:
        """`over`: the run takes no further step. It ends waits, too."""
        self._plan = plan
        self._running = running
        self._scheduler = scheduler
        self._emit = emit
        self._until = until
        self._state_of = state_of
        self._over = over
        self._upload: Mapping[str, Any] = {}
        self._job: str | None = None
        self._ops = itertools.count(1)  # several tasks draw from it

    def run(self) -> None:
        """Waits for its start, then takes one step after another. Without a job there is no next step."""
        self._pause(self._plan.start_s)
        for step in self._plan.steps:
            if self._over() or (self._job is None and not isinstance(step, Initiate | Submit)):
                return
            self._take(step)

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self._until(self._over, seconds)

    def _take(self, step: Step) -> None:
        match step:
            case Initiate(parts=parts):
                self._initiate(parts)
            case Submit(values=values):
                # Without an answer nothing is asked again: a second submission would be a second job.
                self._perform("submit", tag=self._plan.tag, values=dict(values))
            case Put():
                self._perform("put_object", url=self._upload.get("url"), video=self._plan.video)
            case PutParts(only=only, every_s=every_s):
                self._put_parts(only, every_s)
            case Complete(times=times, together=together):
                self._repeat("complete_upload", times, together=together)
            case Cancel():
                self._perform("cancel")
            case PublishEvent(times=times):
                self._repeat("publish_event", times, together=False)
            case Wait():
                self._wait(step)

    def _initiate(self, parts: int) -> None:
        # Without an answer a client asks again: the job that it never heard of may exist, and expires.
        said = {"tenant": self._plan.tenant or None, "patience_s": self._plan.patience_s}
        given = {name: value for name, value in said.items() if value is not None}
        for _ in range(INITIATE_TRIES):
            reply = self._perform(
                "initiate_upload", tag=self._plan.tag, video=self._plan.video, parts=parts, **given
            )
            if reply.phase == "ok":
                self._upload = reply.data
            if reply.phase != "info" or self._over():
                return

    def _put_parts(self, only: int | None, every_s: float) -> None:
        urls = list(self._upload.get("part_urls", ()))
        chosen = urls if only is None else urls[:only]
        for number, url in enumerate(chosen, start=1):
            if number > 1:
                self._pause(every_s)
            if self._over():
                return
            self._perform("put_part", url=url, number=number, of=len(urls), video=self._plan.video)

    def _repeat(self, action: str, times: int, *, together: bool) -> None:
        if not together:
            for _ in range(times):
                self._perform(action)
            return
        tasks = [
            self._scheduler.spawn(f"{self._plan.name}/{action}/{n}", lambda: void(self._perform(action)))
            for n in range(times)
        ]
        for task in tasks:
            task.join()

    def _wait(self, step: Wait) -> None:
        if step.seconds is not None:
            self._pause(step.seconds)
        elif step.past_deadline:
            self._pause(float(self._upload.get("deadline_in_s", 0.0)))
        elif step.state is not None and self._job is not None:
            self._wait_for(self._job, step.state)

    def _wait_for(self, job: str, state: str) -> None:
        """A job that has ended gets nowhere else: then, and after a while, the next step comes anyway."""

        def there() -> bool:
            return self._over() or self._state_of(job) in (state, *TERMINAL_STATES)

        self._until(there, WAIT_TIMEOUT_S)
        seen = self._state_of(job)
        if seen != state and not self._over():
            self._emit("evidence", "waited_in_vain", job=job, client=self._plan.name, wanted=state, seen=seen)

    def _perform(self, action: str, **values: Any) -> Reply:
        op = f"{self._plan.name}.{next(self._ops)}"
        job = self._job
        shown = {key: value for key, value in values.items() if key != "url"}
        self._emit("op", "invoke", job=job, id=op, client=self._plan.name, action=action, **shown)
        reply = self._running.call(action, {"job": job, "client": self._plan.name, **values})
        if action in MAKING and reply.phase == "ok":
            job = self._job = str(reply.data["job"])
        facts: dict[str, Any] = {"error": reply.error} if reply.error else {}
        said = {k: v for k, v in reply.data.items() if k in ("status", "state", "message", "deadline_in_s")}
        self._emit(
            "op", reply.phase, job=job, id=op, client=self._plan.name, action=action,
            **shown, **said, **facts,
        )  # fmt: skip
        return reply


def void(_: object) -> None:
    """Drops a value where a callback must return nothing."""
