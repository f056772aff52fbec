"""How one attempt asks its dependencies: again for a while, on one budget, each behind its breaker."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from reference_service.breaker import DEPENDENCIES, NEEDED_BY, READS, VISION, WRITES, Breaker
from reference_service.domain import STAGES, Defence
from reference_service.ports import Unavailable
from reference_service.retry import Budget, persist
from reference_service.service import Service
from reference_service.store import breakers

T = TypeVar("T")


class Patience:
    """Of one attempt. A restart of a dependency, of a second, is waited for within the attempt: it must not
    use up those of the jobs that happen to need it. One that stays away is left alone by its breaker.
    """

    def __init__(self, service: Service, between: Callable[[], None]) -> None:
        """`between` is called before each pause, and may raise to give up."""
        self._service = service
        self._between = between
        self._breakers = {name: Breaker(service, name) for name in DEPENDENCIES}
        limited = service.defended(Defence.RETRY_BUDGET)
        self._budget = Budget(service.settings.retry_tokens) if limited else None

    def persist(self, action: Callable[[], T]) -> T:
        """As `retry.persist`, for the database, without which there are no breakers."""
        service = self._service

        def between() -> None:
            service.metrics.count("reference_retries_total")
            self._between()

        return persist(
            service.clock,
            service.randomness,
            action,
            within_s=service.settings.patience_s,
            between=between,
            budget=self._budget,
        )

    def ask(
        self, dependency: str, action: Callable[[], T], *, before: Callable[[], None] = lambda: None
    ) -> T:
        """`action()` of the dependency, each time right behind `before`.

        Raises `DependencyAway` when it is left alone, or has just shown that it should be; and `Unavailable`
        when it has answered, but not this call.
        """
        breaker = self._breakers[dependency]

        def once() -> T:
            breaker.admit()
            before()
            return breaker.call(action)

        try:
            return self.persist(once)
        except Unavailable as error:
            if self._budget is None or not self._budget.empty:  # else it has kept us busy, not waiting
                breaker.tired(error)
            raise

    def look_ahead(self, done: Collection[str]) -> None:
        """Before anything is fetched: raises `DependencyAway` when that is so of what the first stage needs
        that is not done, be it only to keep what it will have done.
        """
        if not self._service.defended(Defence.CIRCUIT_BREAKER):
            return
        found = self.persist(lambda: self._service.store.single(breakers.states))
        known = {state.dependency: state for state in found}
        stage = next((stage for stage in STAGES if stage not in done), STAGES[-1])
        for name, breaker in self._breakers.items():
            if name in {READS, WRITES, NEEDED_BY.get(stage)}:
                breaker.look(known.get(name), soon=name in {READS, WRITES})

    def caption(self, jpeg: bytes) -> str:
        """As `ports.Vision`."""
        return self.ask(VISION, lambda: self._service.vision.caption(jpeg))
