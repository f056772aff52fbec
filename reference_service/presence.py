"""An instance's row in the register: it lives, and says good-bye when it ends in good order."""

from __future__ import annotations

from collections.abc import Mapping

from reference_service.budget import Budget
from reference_service.ports import Runtime, Unavailable
from reference_service.service import Service
from reference_service.settings import BadSettings
from reference_service.store import events

LATE_S = 2.0  # at most one period: by so much a heartbeat may come late, while its sender waits for others


class Presence:
    """Registers at the first beat; a database that does not answer is met again at the next."""

    def __init__(self, service: Service, runtime: Runtime, role: str, address: str | None = None) -> None:
        """`address`: where events are pushed to it."""
        self._address = address
        self._service = service
        self._runtime = runtime
        self._role = role
        self._budget = Budget(service, runtime)
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
        known = self._registered and events.beat_instance(
            store, instance=instance, boot_id=self._runtime.boot_id, memory=self._budget.look()
        )
        if not known:  # new, or held up for so long that it was forgotten
            events.register_instance(
                store,
                instance=instance,
                role=self._role,
                boot_id=self._runtime.boot_id,
                pid=self._runtime.pid,
                address=self._address,
            )
            self._registered = True

    def claim_name(self) -> None:
        """Returns once no other process can be alive under this name: at once, unless one was lately.

        The attempts of an earlier life are given back by name, so two lives at a time would take each
        other's jobs. One that was killed a moment ago looks alive, until a heartbeat of it fails to come.
        Raises `BadSettings` when one comes, `Unavailable`.
        """
        settings = self._service.settings
        first: Mapping[str, float] = {}
        while not self._runtime.stopping:
            self.beat_if_due()  # so that two who start together see each other
            beats = events.beats_of_others(
                self._service.store,
                instance=settings.instance,
                role=self._role,
                boot_id=self._runtime.boot_id,
                within_s=settings.heartbeat_s + min(settings.heartbeat_s, LATE_S),
            )
            if not beats:
                return
            if any(first and at > first.get(boot, 0.0) for boot, at in beats.items()):
                raise BadSettings(
                    f"REFERENCE_INSTANCE={settings.instance!r}: another {self._role} lives under this name; "
                    "give each replica a name of its own"
                )
            first = first or beats
            self._runtime.wait(settings.heartbeat_s / 4)

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
