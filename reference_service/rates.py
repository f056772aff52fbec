"""A token bucket for each tenant, in the memory of one API process: the limit holds for each of them."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from reference_service.ports import Clock
from reference_service.settings import Settings

TENANTS_MAX = 10_000  # whoever was not heard of for longest is forgotten: its bucket is full again


class Rates:
    """At most `burst` at once and `per_s` in the long run, for each name.

    Safe to call from several threads.
    """

    def __init__(self, *, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> tokens, at
        # 1. One thread takes a name's bucket out. 2. Another finds none, and so a full burst. Hence the lock.
        self._lock = Lock()

    @classmethod
    def of(cls, settings: Settings) -> Rates:
        return cls(per_s=settings.rate_per_s, burst=settings.rate_burst)

    def take(self, name: str, clock: Clock) -> float:
        """0.0 when one was taken, else the seconds until there is one."""
        with self._lock:
            now = clock.monotonic()
            tokens, at = self._buckets.pop(name, (float(self._burst), now))
            tokens = min(float(self._burst), tokens + (now - at) * self._per_s)
            taken = tokens >= 1
            self._buckets[name] = (tokens - 1 if taken else tokens, now)
            while len(self._buckets) > TENANTS_MAX:
                self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / self._per_s
