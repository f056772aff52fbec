"""The container world: one run's containers, and beside them what is the harness's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from unstuck.worlds.container import residue
from unstuck.worlds.port import ProcessSpec, Scope
from unstuck.worlds.process.world import ProcessWorld

if TYPE_CHECKING:
    from docker import DockerClient

INSIDE = "/tmp"  # noqa: S108  of a container's own; nobody else sees it
CAPABILITIES = frozenset({"processes", "signals", "links", "memory_limit"})


class ContainerWorld:
    """`World` on containers. Every method may be called from several threads at once.

    `containers` speaks to the guardian of this run's containers, `beside` to that of its processes. Made by
    `ContainerSession.world`; `close` leaves neither.
    """

    name = "container"
    capabilities = CAPABILITIES

    def __init__(
        self, *, beside: ProcessWorld, containers: ProcessWorld, client: DockerClient, run: str
    ) -> None:
        self.scratch = beside.scratch
        self.quick = beside.quick  # of what runs beside
        self.scheduler = beside.scheduler
        self.guardian_pid = containers.guardian_pid
        self.label = run  # of the run's containers
        self._beside = beside
        self._containers = containers
        self._client = client
        self._ours: set[str] = set()  # names of what runs beside

    def start(self, spec: ProcessSpec) -> None:
        if spec.beside:
            self._ours.add(spec.name)
            self._beside.start(spec)
            return
        # The run's scratch is not shared with containers: each has temporary files of its own.
        environment = {
            key: INSIDE if value == str(self.scratch) else value for key, value in spec.environment.items()
        }
        self._containers.start(replace(spec, environment=environment))

    def stop(self, name: str, *, grace_s: float) -> None:
        self._of(name).stop(name, grace_s=grace_s)

    def signal(self, name: str, signal: str, scope: Scope = "main") -> Sequence[int]:
        return self._of(name).signal(name, signal, scope)

    def retire(self, name: str) -> None:
        self._of(name).retire(name)

    def wait_gone(self, name: str, pids: Sequence[int], timeout_s: float) -> bool:
        return self._of(name).wait_gone(name, pids, timeout_s)

    def running(self, role: str) -> Sequence[str]:
        return [*self._beside.running(role), *self._containers.running(role)]

    def close(self) -> None:
        """Ends both; idempotent. Removes the containers itself where their guardian was killed.

        Raises `HarnessError` when a container cannot be removed.
        """
        self._containers.close()
        try:
            left = residue.remove_run(self._client, self.label)
            # A guardian that was killed may have asked the engine for its first container just before.
            if left or not self._containers.taken_down:
                residue.remove_run(self._client, self.label, quiet_s=residue.LATE_S)
        finally:
            self._beside.close()

    def _of(self, name: str) -> ProcessWorld:
        return self._beside if name in self._ours else self._containers
