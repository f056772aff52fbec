"""The machine's clock and randomness behind `ports.Clock` and `ports.Randomness`."""

from __future__ import annotations

import random
import secrets
import time


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


class SystemRandomness:
    """Tokens are fit for names that nobody should guess; `uniform` only spreads pauses."""

    def token_hex(self, nbytes: int) -> str:
        return secrets.token_hex(nbytes)

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)  # noqa: S311  spreads retries, guards nothing
