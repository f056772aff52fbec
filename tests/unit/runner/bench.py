"""A whole run of the real runner, with a target and a world of fakes, under virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.unit.runner.stage import FakeRunning, FakeWorld, plan, scenario
from unstuck.history import Event, Recorder, read_history
from unstuck.plan import Plan
from unstuck.runner import RunRequest, run_scenario
from unstuck.runner.engine import Engine
from unstuck.scenario import (
    Fault,
    Scenario,
    Upload,
)
from unstuck.targets.port import Emit, PointReached, Reply, Running
from unstuck.worlds.port import World
from unstuck.worlds.sim.scheduler import GreenScheduler


class FakeTarget:
    """Starts a `FakeRunning`; jobs live as `life` says, once their upload is complete."""

    name = "fake"
    capabilities = frozenset({"points"})

    def __init__(self, world: FakeWorld) -> None:
        self.facts: Mapping[str, Any] = {}
        self.world = world
        self.running = FakeRunning(world)
        self.running.replies["initiate_upload"] = Reply(
            phase="ok", data={"job": "j-1", "url": "http://put", "status": 201, "deadline_in_s": 2.0}
        )
        self.running.on_call = self._called
        self.fails: Exception | None = None
        self.life: Callable[[], None] = lambda: self.move("succeeded")
        self.emit: Emit
        self.on_point: Callable[[PointReached], None]

    def start(
        self,
        *,
        world: World,
        scenario: Scenario,
        plan: Plan,
        folder: str,
        emit: Emit,
        on_point: Callable[[PointReached], None],
        defences_off: Sequence[str],
    ) -> Running:
        self.emit, self.on_point = emit, on_point
        self.world.tell = emit
        if self.fails is not None:
            raise self.fails
        for name in ("worker-1", "worker-2"):
            self.world.come(name)
        return self.running

    def move(self, to: str, job: str = "j-1", **facts: Any) -> None:
        data = {"from": None, "to": to, "attempt": 1, "token": 1, "tag": "job", **facts}
        self.emit("transition", job=job, **data)

    def _called(self, action: str, values: Mapping[str, Any]) -> None:
        if action == "initiate_upload":
            self.move("awaiting_upload")
        if action == "complete_upload":
            self.world.scheduler.spawn("life", self.life)


class Bench:
    """One run and what it left."""

    def __init__(self, folder: Path) -> None:
        self.scheduler = GreenScheduler(1)
        self.world = FakeWorld(self.scheduler)
        self.target = FakeTarget(self.world)
        self.recorder = Recorder(folder / "history.jsonl", 0, now_ns=self.scheduler.now_ns)
        self.path = folder / "history.jsonl"
        self.notes: list[str] = []
        self.interrupt = False
        self.engines: list[Engine] = []
        self.uploads: tuple[Upload, ...] = (Upload(),)

    def run(self, *faults: Fault, budget_s: float = 10.0) -> Sequence[Event]:
        try:
            run_scenario(
                RunRequest(
                    scenario=scenario(*faults, uploads=self.uploads, budget_s=budget_s),
                    plan=plan(*faults, uploads=self.uploads),
                    folder="/nowhere",
                ),
                world=self.world,
                target=self.target,
                recorder=self.recorder,
                interrupted=lambda: self.interrupt,
                note=lambda phase, _text: self.notes.append(phase),
                on_engine=self.engines.append,
            )
        finally:
            self.recorder.close()
        return self.events()

    def events(self) -> Sequence[Event]:
        return read_history(self.path).events

    def of(self, kind: str, *phases: str) -> list[Event]:
        return [e for e in self.events() if e.kind == kind and (not phases or e.phase in phases)]

    @property
    def end(self) -> Mapping[str, Any]:
        return self.of("run", "end")[-1].data

    def sleep(self, seconds: float) -> None:
        self.scheduler.sleep(seconds)
