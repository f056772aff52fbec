"""Events that are pushed, in the sim: whose inbox is where, and how one is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reference_service.memory_inbox import MemoryInbox
from reference_service.ports import Queue, Unavailable
from unstuck.targets.reference.simulated.runtime import SimRuntime
from unstuck.worlds.sim import Incarnation
from unstuck.worlds.sim.scheduler import GreenScheduler


class Door:
    """The inbox of one life of a worker. What is offered wakes it; what it answers rings `bell`."""

    def __init__(self, scheduler: GreenScheduler, life: Incarnation, outgoing: Queue) -> None:
        self.address = f"http://{life.name}:{life.pid}"
        self.life = life
        self.bell = scheduler.bell(f"an answer of {life.name}")
        self.inbox = MemoryInbox(self.address, outgoing, on_answer=self.bell.ring)
        life.when_ended(self.bell.ring)

    def wakes(self, runtime: SimRuntime) -> None:
        self.inbox.on_offer = runtime.wake


class SimEndpoints:
    """`ports.Endpoints` of one process. `doors` are those of the run, by address."""

    def __init__(self, doors: Mapping[str, Door], travel: Callable[[], None]) -> None:
        self._doors = doors
        self._travel = travel

    def post(self, address: str, body: Mapping[str, Any], *, within_s: float | None) -> bool:
        self._travel()
        door = self._doors.get(address)
        if door is None or door.life.dead:
            self._travel()
            raise Unavailable(f"{address}: connection refused")
        offer = door.inbox.offer(body)
        door.bell.until(lambda: offer.taken is not None or door.life.dead, within_s)
        self._travel()
        if offer.taken is None:
            door.inbox.withdraw(offer)
            raise Unavailable(f"{address}: no answer")
        return offer.taken
