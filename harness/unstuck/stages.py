"""The worlds by the names that users call them, and where runs in each take place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from types import TracebackType
from typing import Self, assert_never

from unstuck.campaign import ProcessStage, Stage
from unstuck.faults import FAULTS
from unstuck.plan import make_plan
from unstuck.scenario import Scenario
from unstuck.simulation import CAPABILITIES as SIM_CAPABILITIES
from unstuck.simulation import SimStage
from unstuck.targets.port import Target
from unstuck.targets.reference.target import ABILITIES, ReferenceTarget
from unstuck.worlds.container.session import ContainerSession
from unstuck.worlds.container.world import CAPABILITIES as CONTAINER_CAPABILITIES
from unstuck.worlds.port import ProcessEvent, World, WorldName
from unstuck.worlds.process.dependencies.s3 import EmulatorName


def open_stage(
    world: WorldName,
    *,
    stop: threading.Event,
    seed: int,
    emulator: EmulatorName = "ministack",
    tell: Callable[[str], None] = lambda _: None,
    see_messages: bool = False,
) -> AbstractContextManager[Stage]:
    """The stage of a world; nothing is started before it is entered.

    Entering raises `UsageError` where the world has not what it needs. `tell` hears of what takes long;
    `see_messages`: every message on the links is recorded, in processes.
    """
    match world:
        case "processes":
            return ProcessStage(stop=stop, emulator=emulator, see_messages=see_messages)
        case "containers":
            return ContainerStage(stop=stop, emulator=emulator, tell=tell)
        case "sim":
            return closing(SimStage(seed=seed))
        case _:
            assert_never(world)


def lacking(case: Scenario, world: WorldName) -> tuple[str, ...]:
    """What the case needs that no `world` has for the reference service, sorted; starts nothing.

    Of `processes` nothing is said: what they lack depends on the machine.
    """
    if world == "processes":
        return ()
    able = SIM_CAPABILITIES if world == "sim" else CONTAINER_CAPABILITIES | ABILITIES
    needs = make_plan(case, 0, {name: module.NEEDS for name, module in FAULTS.items()}).needs
    return tuple(need for need in needs if need not in able)


class ContainerStage(ProcessStage):
    """The service in containers; links, dependencies and all that is the harness's own beside them."""

    name = "containers"

    def __init__(
        self, *, stop: threading.Event, emulator: EmulatorName = "ministack", tell: Callable[[str], None]
    ) -> None:
        super().__init__(stop=stop, emulator=emulator)
        self._stop = stop
        self._tell = tell

    def _target(self) -> Target:
        return ReferenceTarget(
            self._session, emulator=self._emulator, videos=self._videos, old_versions=False
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self._containers = ContainerSession(self._session, tell=self._tell, interrupted=self._stop.is_set)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._containers.close()
        finally:
            super().__exit__(kind, error, trace)

    def world(self, name: str, on_event: Callable[[ProcessEvent], None], start_ns: int) -> World:
        return self._containers.world(name, on_event=on_event, start_ns=start_ns)
