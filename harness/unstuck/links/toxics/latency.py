"""Every byte arrives late: `latency` plus or minus `jitter`, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unstuck.links.toxics.port import LARGE_BYTES, Stage

MS_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds. A byte is late once, however many are under way: it delays, and does not throttle."""

    kind: ClassVar[str] = "latency"
    buffer_bytes: ClassVar[int] = LARGE_BYTES
    latency: int = 0
    jitter: int = 0

    async def pipe(self, stage: Stage) -> None:
        while (chunk := await stage.take()) is not None:
            delay_ms = self.latency
            if self.jitter > 0:
                delay_ms += stage.rng.randrange(2 * self.jitter) - self.jitter
            due_ns = chunk.at_ns + delay_ms * MS_NS
            await stage.until(due_ns)
            stage.give(at_ns=due_ns)
        stage.end()
