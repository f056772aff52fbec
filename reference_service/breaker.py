"""A circuit breaker: a dependency that does not answer is left alone, and jobs that need it wait for it.

closed      asked as ever; `breaker_failures` in a row, whoever has them, open it
open        not asked: an attempt that would is handed back, uncharged, and comes again when it may be over
half-open   after `breaker_open_s` one attempt asks: an answer closes it, none opens it again

What is known is in the database (`store.breakers`); what follows from it is decided here. A closed breaker
costs an attempt one question to the database, before its first call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reference_service import descriptors
from reference_service.domain import Defence
from reference_service.ports import DependencyAway, Unavailable
from reference_service.service import Service
from reference_service.store import breakers

T = TypeVar("T")
VISION = "vision"
SPREAD = 0.25  # of the time open: those that wait do not all come back at one moment


class Breaker:
    """One attempt's view of one dependency. `circuit_breaker` off lets every call through."""

    def __init__(self, service: Service, dependency: str) -> None:
        self._service = service
        self._dependency = dependency
        self._on = service.defended(Defence.CIRCUIT_BREAKER)
        self._trusted = False  # it was closed when we last looked, and has answered since

    def call(self, action: Callable[[], T]) -> T:
        """`action()`. Raises `DependencyAway` without asking while it is open; else what `action` raises."""
        if not self._on:
            return action()
        if not self._trusted:
            self._admit()
        try:
            result = action()
        except Unavailable:
            descriptors.check()  # clients say only that they got no connection: this may be our own fault
            self._fail()
            raise
        if not self._trusted:
            breakers.close(self._service.store, self._dependency)
            self._trusted = True
        return result

    def _admit(self) -> None:
        """Returns when we may ask: it is closed, or we are the one who looks whether it is back."""
        store, open_s = self._service.store, self._service.settings.breaker_open_s
        left_s = breakers.wait_s(store, self._dependency)
        if left_s is None or (left_s <= 0 and breakers.probe(store, self._dependency, open_s=open_s)):
            return
        self._give_up(left_s if left_s > 0 else open_s)

    def _fail(self) -> None:
        self._trusted = False
        settings = self._service.settings
        left_s = breakers.fail(
            self._service.store,
            self._dependency,
            most=settings.breaker_failures,
            open_s=settings.breaker_open_s,
        )
        if left_s is not None and left_s > 0:
            self._give_up(left_s)

    def _give_up(self, left_s: float) -> None:
        self._service.metrics.count("reference_breaker_refusals_total", dependency=self._dependency)
        spread_s = self._service.settings.breaker_open_s * SPREAD
        after_s = left_s + self._service.randomness.uniform(0.0, spread_s)
        raise DependencyAway(f"{self._dependency} is left alone for {after_s:.1f} s", after_s=after_s)
