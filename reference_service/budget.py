"""A role's budget of memory: what it uses of it, and a warning before the kernel has the last word."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from reference_service.domain import Defence
from reference_service.service import Service


class Measured(Protocol):
    """A process and its children, as `ports.Runtime`."""

    def memory(self) -> tuple[int, int] | None: ...


class Budget:
    """Looked at with each heartbeat of the instance, and by whoever is about to write one."""

    def __init__(self, service: Service, measured: Measured) -> None:
        self._service = service
        self._measured = measured
        self._warned = False
        self._lately: deque[tuple[float, int]] = deque()  # (when, bytes), each less than all before it

    def look(self) -> tuple[int, int] | None:
        """(bytes in use at most within `alert_memory_within_s`, the budget) for the register: it keeps one
        value, and whoever evaluates the alert may come between any two heartbeats.

        None without a budget, or without `memory_warning`. Above the setting it warns: in the log once for
        each time that it goes there, and by a metric.
        """
        service = self._service
        if not service.defended(Defence.MEMORY_WARNING):
            return None
        found = self._measured.memory()
        if found is None:
            return None
        used, budget = found
        service.metrics.set("reference_memory_used_bytes", used)
        service.metrics.set("reference_memory_budget_bytes", budget)
        above = used * 100 > budget * service.settings.memory_warn_percent
        if above and not self._warned:
            service.metrics.count("reference_memory_warnings_total")
            service.log.warning(
                "memory is near its limit", used_bytes=used, budget_bytes=budget, percent=used * 100 // budget
            )
        self._warned = above
        return self._most(used), budget

    def _most(self, used: int) -> int:
        now, lately = self._service.clock.monotonic(), self._lately
        while lately and lately[-1][1] <= used:
            lately.pop()
        lately.append((now, used))
        while lately[0][0] < now - self._service.settings.alert_memory_within_s:
            lately.popleft()
        return lately[0][1]
