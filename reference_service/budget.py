"""A role's budget of memory: what it uses of it, and a warning before the kernel has the last word."""

from __future__ import annotations

from reference_service.domain import Defence
from reference_service.ports import Runtime
from reference_service.service import Service


class Budget:
    """Looked at with each heartbeat of the instance, and by whoever is about to write one."""

    def __init__(self, service: Service, runtime: Runtime) -> None:
        self._service = service
        self._runtime = runtime
        self._warned = False

    def look(self) -> tuple[int, int] | None:
        """(bytes in use, the budget) for the register; None without a budget, or without `memory_warning`.

        Above the setting it warns: in the log once for each time that it goes there, and by a metric.
        """
        service = self._service
        if not service.defended(Defence.MEMORY_WARNING):
            return None
        found = self._runtime.memory()
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
        return found
