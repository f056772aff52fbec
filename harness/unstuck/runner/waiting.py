"""Waiting until something is so: the engine's task looks, between two events, for everybody who waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from unstuck.worlds.port import Mailbox, Scheduler

LAST_LOOK_S = 10.0  # for an engine that is busy; a closed one answers at once
LOOK = object()
"""The item that makes the engine look again; not None, which is what an empty mailbox gives."""


@dataclass(frozen=True, slots=True)
class _Answer:
    seen: bool
    error: Exception | None = None


@dataclass(slots=True, eq=False)
class _Waiter:
    seen: Callable[[], bool]
    answer: Mailbox[_Answer] = field(repr=False)
    last: bool = False  # its time is over: it gets an answer whatever is seen


class Waiters:
    """Those who wait. `until` may be called by any task; all else is the engine's."""

    def __init__(self, scheduler: Scheduler, post: Callable[[Any], None]) -> None:
        """`post` hands an item to the engine, which then calls `look`."""
        self._scheduler = scheduler
        self._post = post
        self._waiting: list[_Waiter] = []
        self._closed = False

    def until(self, seen: Callable[[], bool], timeout_s: float) -> bool:
        """True once `seen()` is. It is looked at in the engine's task, where no event is half folded,
        and once more when the time is over. Raises what it raises.
        """
        waiter = _Waiter(seen, self._scheduler.mailbox())
        self._waiting.append(waiter)
        self._post(LOOK)
        if self._closed:  # after the engine's last look: nobody else will answer
            return seen()
        answer = waiter.answer.get(timeout_s)
        if answer is None:
            waiter.last = True
            self._post(LOOK)
            answer = waiter.answer.get(LAST_LOOK_S)
        if answer is None:
            return False
        if answer.error is not None:
            raise answer.error
        return answer.seen

    def look(self) -> None:
        """Answers those for whom it is so, and those whose time is over."""
        for waiter in list(self._waiting):
            answer = _look(waiter)
            if answer is not None:
                self._waiting.remove(waiter)
                waiter.answer.put(answer)

    def close(self) -> None:
        """Answers everybody as it is now; from now on nobody waits."""
        self._closed = True
        for waiter in list(self._waiting):
            waiter.last = True
        self.look()


def _look(waiter: _Waiter) -> _Answer | None:
    try:
        seen = waiter.seen()
    except Exception as error:  # noqa: BLE001  it belongs to whoever waits
        return _Answer(seen=False, error=error)
    return _Answer(seen) if seen or waiter.last else None
