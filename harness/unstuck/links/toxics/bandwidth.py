"""Bytes go on at a limited rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unstuck.clock import monotonic_ns
from unstuck.links.toxics.port import SMALL_BYTES, Stage

SLICE_MS = 100
MS_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """`rate`: thousands of bytes a second, which are bytes a millisecond. 0 lets nothing through."""

    kind: ClassVar[str] = "bandwidth"
    buffer_bytes: ClassVar[int] = SMALL_BYTES
    rate: int = 0

    async def pipe(self, stage: Stage) -> None:
        free_ns = 0  # when the wire has carried what was given
        while (chunk := await stage.take()) is not None:
            if self.rate <= 0:
                await _for_ever(stage)
            free_ns = max(free_ns, monotonic_ns())
            left = len(chunk.data)
            while left > 0:
                size = min(left, self.rate * SLICE_MS)
                free_ns += size * MS_NS // self.rate
                await stage.until(free_ns)
                stage.give(size)
                left -= size
        stage.end()


async def _for_ever(stage: Stage) -> None:
    while True:
        await stage.until(monotonic_ns() + 3_600_000 * MS_NS)
