"""Runs scenarios in the sim world: same files, same runner, same checks, virtual time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

from unstuck.checks.verdict import RunVerdict, judge
from unstuck.errors import CapabilityError
from unstuck.faults import FAULTS
from unstuck.history import Recorder, read_history
from unstuck.plan import make_plan
from unstuck.runner import RunRequest, run_scenario
from unstuck.scenario import Scenario
from unstuck.targets.port import Target, TargetSource
from unstuck.targets.reference.simulated.target import SimulatedTarget
from unstuck.worlds.port import ProcessEvent
from unstuck.worlds.sim import SimWorld

HISTORY = "history.jsonl"
CAPABILITIES = SimWorld.capabilities | SimulatedTarget.capabilities
"""What world and target have between them: a scenario that needs more is refused."""


class SimStage:
    """Where the runs of a campaign take place: as `campaign.Stage`, each run in the thread that runs it."""

    name = "sim"
    source = TargetSource()

    def __init__(self, *, seed: int) -> None:
        self._simulated = SimulatedTarget()
        self.target: Target = self._simulated
        self._seed = seed
        self._here = threading.local()

    def world(self, name: str, on_event: Callable[[ProcessEvent], None], start_ns: int) -> SimWorld:
        """`start_ns` is 0: what `now_ns` says before the world is made."""
        del name, start_ns
        self._here.world = world = _StageWorld(self._seed, on_event, self._forget)
        return world

    def close(self) -> None:
        """Gives back what runs have used again and again. Idempotent."""
        self._simulated.close()

    def now_ns(self) -> int:
        """The virtual clock of the run that this thread is at."""
        world: SimWorld | None = getattr(self._here, "world", None)
        return 0 if world is None else world.scheduler.now_ns()

    def _forget(self) -> None:
        self._here.world = None


class _StageWorld(SimWorld):
    """Its time ends with it: the next run of the thread begins at 0, not where this one ended."""

    def __init__(
        self, seed: int, on_event: Callable[[ProcessEvent], None], forget: Callable[[], None]
    ) -> None:
        super().__init__(seed, on_event)
        self._forget = forget

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._forget()


def simulate(scenario: Scenario, seed: int, folder: Path, defences_off: tuple[str, ...] = ()) -> RunVerdict:
    """Runs one case, leaves `history.jsonl` in the empty `folder`, and judges it from that alone.

    The same scenario, seed and defences give the same bytes. Raises `CapabilityError` for what the sim
    cannot do, `UnstuckError` for what else is not the service's failure.
    """
    plan = make_plan(scenario, seed, {name: module.NEEDS for name, module in FAULTS.items()})
    target = _target()
    if missing := set(plan.needs) - CAPABILITIES:
        raise CapabilityError(
            f"{scenario.title}: needs {', '.join(sorted(missing))}, which the sim cannot do. "
            "Run it in the process world."
        )
    path = folder / HISTORY
    recorders: list[Recorder] = []

    def on_process(event: ProcessEvent) -> None:
        recorders[0].record(
            "process", event.phase, process=event.name, at_ns=event.at_ns, role=event.role, **event.data
        )

    world = SimWorld(seed, on_process)
    recorders.append(Recorder(path, 0, now_ns=world.scheduler.now_ns))
    try:
        request = RunRequest(
            scenario=scenario, plan=plan, folder=str(folder), defences_off=defences_off, facts={}
        )
        run_scenario(request, world=world, target=target, recorder=recorders[0])
    finally:
        try:
            world.close()
        finally:
            recorders[0].close()
    return judge(read_history(path))


@cache
def _target() -> SimulatedTarget:
    """One for all simulations of this process: to make its database costs more than a run."""
    return SimulatedTarget()
