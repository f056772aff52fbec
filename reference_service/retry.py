"""Trying again what a dependency did not do, within a time limit and with growing, random pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from reference_service.ports import Clock, Randomness, Unavailable

T = TypeVar("T")
FIRST_S = 0.05
LONGEST_S = 2.0


def pauses(
    randomness: Randomness, *, first_s: float = FIRST_S, longest_s: float = LONGEST_S
) -> Iterator[float]:
    """Seconds to wait before each next try, without end: doubling, each spread over half of itself."""
    pause_s = first_s
    while True:
        yield randomness.uniform(pause_s / 2, pause_s)
        pause_s = min(longest_s, pause_s * 2)


def persist(
    clock: Clock,
    randomness: Randomness,
    action: Callable[[], T],
    *,
    within_s: float,
    between: Callable[[], None] = lambda: None,
) -> T:
    """`action()`, again as long as it raises `Unavailable` and the time lasts; it must be idempotent.

    `between` is called before each pause, and may raise to give up. Raises the last `Unavailable`.
    """
    give_up_at = clock.monotonic() + within_s
    for pause_s in pauses(randomness):
        try:
            return action()
        except Unavailable:
            if clock.monotonic() + pause_s > give_up_at:
                raise
        between()
        clock.sleep(pause_s)
    raise AssertionError("unreachable: the pauses have no end")
