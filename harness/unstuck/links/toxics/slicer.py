"""Data comes in small pieces, apart from each other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from unstuck.clock import monotonic_ns
from unstuck.links.toxics.port import SMALL_BYTES, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicer:
    """`average_size` and `size_variation` in bytes, `delay` in microseconds behind each piece."""

    kind: ClassVar[str] = "slicer"
    buffer_bytes: ClassVar[int] = SMALL_BYTES
    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    async def pipe(self, stage: Stage) -> None:
        while (chunk := await stage.take()) is not None:
            for size in self.sizes(len(chunk.data), stage.rng):
                stage.give(size)
                await stage.until(monotonic_ns() + self.delay * 1000)
        stage.end()

    def sizes(self, total: int, rng: random.Random) -> Iterator[int]:
        """Sizes of the pieces, in order; none is empty, and together they are `total`.

        A piece is halved, a little off the middle, until it is no more than the variation above the
        average, so that no piece at either end is odd in size.
        """
        average, variation = max(1, self.average_size), max(0, self.size_variation)
        whole = [total]
        while whole:
            size = whole.pop()
            if size - average <= variation or size < 2:
                yield size
                continue
            half = size // 2 + (rng.randrange(2 * variation) - variation if variation else 0)
            half = min(max(half, 1), size - 1)  # a variation above the average must not leave the piece
            whole += [size - half, half]
