"""One run that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from unstuck.scenario import Scenario
from unstuck.worlds.port import WorldName


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is run, where and how. `grouped`: it lies with the other scenario files of the session."""

    case: Scenario
    world: WorldName
    seed: int
    defences_off: tuple[str, ...] = ()
    grouped: bool = False
