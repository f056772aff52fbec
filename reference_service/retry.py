"""Trying again what a dependency did not do, within a time limit and with growing, random pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from reference_service.domain import Job
from reference_service.ports import Clock, Randomness, Unavailable
from reference_service.settings import Settings

T = TypeVar("T")
FIRST_S = 0.05
LONGEST_S = 2.0


def backoff_s(randomness: Randomness, failures: int, *, first_s: float, longest_s: float) -> float:
    """Seconds before the attempt after so many failed ones: doubling, spread over half of itself."""
    pause_s = min(longest_s, first_s * 2 ** min(failures - 1, 32))
    return randomness.uniform(pause_s / 2, pause_s)


def pause_s(settings: Settings, randomness: Randomness, failures: int) -> float:
    """Seconds before the next attempt at a job after so many."""
    return backoff_s(randomness, failures, first_s=settings.retry_first_s, longest_s=settings.retry_longest_s)


def has_waited_enough(settings: Settings, job: Job) -> bool:
    """From here on an attempt that is handed back for want of something is charged: nobody waits for ever."""
    return job.attempt - job.charged >= settings.waits_max  # attempts before this one that did not count


def pauses(
    randomness: Randomness, *, first_s: float = FIRST_S, longest_s: float = LONGEST_S
) -> Iterator[float]:
    """Seconds to wait before each next try, without end: doubling, each spread over half of itself."""
    pause_s = first_s
    while True:
        yield randomness.uniform(pause_s / 2, pause_s)
        pause_s = min(longest_s, pause_s * 2)


class Budget:
    """How many retries all calls together may have; `EARNED` of one comes back with each success.

    So a dependency in trouble gets at most a tenth more calls than it answers, and no storm of retries.
    """

    EARNED = 0.1

    def __init__(self, most: int) -> None:
        self._most = self._left = float(most)

    def earn(self) -> None:
        self._left = min(self._most, self._left + self.EARNED)

    @property
    def empty(self) -> bool:
        return self._left < 1

    def spend(self) -> bool:
        """False, and nothing spent, when none is left."""
        if self.empty:
            return False
        self._left -= 1
        return True


def persist(
    clock: Clock,
    randomness: Randomness,
    action: Callable[[], T],
    *,
    within_s: float,
    between: Callable[[], None] = lambda: None,
    budget: Budget | None = None,
) -> T:
    """`action()`, again as long as it raises `Unavailable`, and time and budget last; it must be idempotent.

    `between` is called before each pause, and may raise to give up. Raises the last `Unavailable`.
    """
    give_up_at = clock.monotonic() + within_s
    for pause_s in pauses(randomness):
        try:
            result = action()
        except Unavailable:
            if clock.monotonic() + pause_s > give_up_at or (budget is not None and not budget.spend()):
                raise
        else:
            if budget is not None:
                budget.earn()
            return result
        between()
        clock.sleep(pause_s)
    raise AssertionError("unreachable: the pauses have no end")
