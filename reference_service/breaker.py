"""A circuit breaker: a dependency that does not answer is left alone, and jobs that need it wait for it.

closed      asked as ever; opened by `breaker_failures` in a row, whoever has them, or by one attempt that got
            no answer for as long as it is patient
open        not asked: an attempt that would is handed back, uncharged, and comes again when it may be over
half-open   after `breaker_open_s` one attempt asks: an answer closes it, none opens it again

An answer may be a refusal: it says that somebody is there. What is known is in the database
(`store.breakers`); what follows from it is decided here. A closed breaker costs an attempt one question to
the database at most, before its first call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reference_service import descriptors
from reference_service.domain import Defence, Job
from reference_service.ports import (
    DependencyAway,
    InvalidMedia,
    ObjectChanged,
    ObjectMissing,
    Rejected,
    Unavailable,
)
from reference_service.retry import has_waited_enough
from reference_service.service import Service
from reference_service.store import breakers, work

T = TypeVar("T")
# A store that is full, or read-only, answers who reads: that must not say that it takes what is written.
VISION, READS, WRITES, SINK = "vision", "objects_read", "objects_write", "sink"
DEPENDENCIES = (VISION, READS, WRITES, SINK)
NEEDED_BY = {"captions": VISION, "publish": SINK}  # stage -> what it needs beside the object store
ANSWERS = (Rejected, InvalidMedia, ObjectMissing, ObjectChanged)
SPREAD = 0.25  # of the time open: those that wait do not all come back at one moment
# Ten thousand that come back each `breaker_open_s` are 300 claims a second, for nothing. So after an outage
# they are back within a quarter of how long it was, or this.
LONGEST_S = 300.0


class Breaker:
    """One attempt's view of one dependency. `circuit_breaker` off lets every call through."""

    def __init__(self, service: Service, dependency: str) -> None:
        self._service = service
        self._dependency = dependency
        self._on = service.defended(Defence.CIRCUIT_BREAKER)
        self._trusted = False  # it was closed when we last looked, and nothing is to be taken back
        self._admitted = False  # we may ask
        self._closed = False  # when we last looked: then who opens it is not who looks whether it is back
        self._own = 0  # failures of ours in a row
        self._last: Unavailable | None = None

    def call(self, action: Callable[[], T]) -> T:
        """`action()`. Raises `DependencyAway` without asking while it is open; else what `action` raises."""
        if not self._on:
            return action()
        self.admit()
        began_at = self._service.clock.monotonic()
        try:
            result = action()
        except ANSWERS:
            self._answered()
            raise
        except Unavailable as error:
            descriptors.check()  # clients say only that they got no connection: this may be our own fault
            self._fail(error, self._service.clock.monotonic() - began_at)
            raise
        self._answered()
        return result

    def admit(self) -> None:
        """Returns when we may ask: it is closed, or we are the one who looks whether it is back.

        Raises `DependencyAway`. Good for the next call, and for those behind it as long as each is answered.
        """
        if not self._on or self._admitted:
            return
        store, open_s = self._service.store, self._service.settings.breaker_open_s
        state = breakers.find(store, self._dependency)
        if state is None or state.open_s is None:
            self._enter(state)
        elif state.left_s <= 0 and breakers.probe(store, self._dependency, open_s=open_s):
            self._admitted, self._closed = True, False
        else:
            self._give_up(state.left_s or open_s, away_s=state.open_s)

    def look(self, state: breakers.State | None, *, soon: bool) -> None:
        """Raises `DependencyAway` while it is open, as `state` has it; `soon`: the first call comes next.

        For whoever would ask only later: half-open is as good as closed here, and nobody is kept from it.
        """
        if self._on and state is not None and state.open_s is not None:
            if state.left_s > 0:
                self._give_up(state.left_s, away_s=state.open_s)
        elif soon:
            self._enter(state)

    def _enter(self, state: breakers.State | None) -> None:
        self._admitted = self._closed = True
        self._trusted = state is None or state.failures == 0  # else our answer is news

    def tired(self, error: Unavailable) -> None:
        """We have asked for as long as an attempt is patient, at last with `error`: it is left alone, too.

        Raises `DependencyAway`; returns when it was not the dependency that gave no answer.
        """
        if self._on and error is self._last:
            left_s = self._note(most=1, took_s=0.0)
            self._give_up(left_s or 0.0, own=self._closed)

    def _answered(self) -> None:
        self._own = 0
        if not self._trusted:
            breakers.close(self._service.store, self._dependency)
            self._trusted = True

    def _fail(self, error: Unavailable, took_s: float) -> None:
        self._trusted = self._admitted = False
        self._last = error
        self._own += 1
        most = self._service.settings.breaker_failures
        left_s = self._note(most=most, took_s=took_s)
        if left_s is not None and left_s > 0:
            self._give_up(left_s, own=self._closed and self._own >= most)

    def _note(self, *, most: int, took_s: float) -> float | None:
        open_s = self._service.settings.breaker_open_s
        return breakers.fail(self._service.store, self._dependency, most=most, open_s=open_s, took_s=took_s)

    def _give_up(self, left_s: float, *, own: bool = False, away_s: float = 0.0) -> None:
        """`away_s`: for how long it has been left alone. Who has just looked in vain comes again as soon as
        somebody may look: that is one of all that wait.
        """
        self._service.metrics.count("reference_breaker_refusals_total", dependency=self._dependency)
        spread_s = self._service.settings.breaker_open_s * SPREAD
        later_s = min(LONGEST_S, away_s * SPREAD)
        uniform = self._service.randomness.uniform
        after_s = max(left_s + uniform(0.0, spread_s), uniform(0.0, later_s))
        raise DependencyAway(
            f"{self._dependency} is left alone for {after_s:.1f} s",
            dependency=self._dependency,
            after_s=after_s,
            own=own,
        )


def is_charged(service: Service, job: Job, away: DependencyAway) -> bool:
    """Whether an attempt that is handed back for a dependency counts against the job's limit all the same.

    So that no job waits for ever by itself: one at which a dependency chokes, and which opens its breaker for
    everybody, from the second time on; and one that has waited `waits_max` times, for whatever reason.

    Only what it did to this very dependency counts: 1. a deploy drains the job, 2. the vision API goes away,
    3. the job is the first to meet that.
    """
    if has_waited_enough(service.settings, job):
        return True
    try:
        return away.own and work.times_waited(service.store, job, opened(away.dependency)) > 0
    except Unavailable:  # the database: nothing is known against the job
        return False


def opened(dependency: str) -> str:
    """What the attempts log says of a job that is handed back, and has opened that breaker by itself."""
    return f"opened:{dependency}"
