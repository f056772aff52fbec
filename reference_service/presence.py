"""An instance's row in the register: it lives, and says good-bye when it ends in good order."""

from __future__ import annotations

from reference_service.ports import Runtime, Unavailable
from reference_service.service import Service
from reference_service.store import events


class Presence:
    """Registers at the first beat; a database that does not answer is met again at the next."""

    def __init__(self, service: Service, runtime: Runtime, role: str) -> None:
        self._service = service
        self._runtime = runtime
        self._role = role
        self._registered = False
        self._due_at = service.clock.monotonic()

    @property
    def due_at(self) -> float:
        """On the monotonic clock."""
        return self._due_at

    def beat_if_due(self) -> None:
        """Raises `Unavailable`."""
        now = self._service.clock.monotonic()
        if now < self._due_at:
            return
        self._due_at = now + self._service.settings.heartbeat_s
        store, instance = self._service.store, self._service.settings.instance
        if self._registered:
            events.beat_instance(store, instance=instance, boot_id=self._runtime.boot_id)
        else:
            events.register_instance(
                store,
                instance=instance,
                role=self._role,
                boot_id=self._runtime.boot_id,
                pid=self._runtime.pid,
            )
            self._registered = True

    def say_goodbye(self) -> None:
        """Best effort: without it, the instance counts as dead after `instance_dead_after_s`."""
        try:
            events.stop_instance(
                self._service.store,
                instance=self._service.settings.instance,
                boot_id=self._runtime.boot_id,
            )
        except Unavailable as error:
            self._service.log.warning("could not say good-bye", error=str(error))
