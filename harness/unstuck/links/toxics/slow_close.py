"""The connection closes late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unstuck.clock import monotonic_ns
from unstuck.links.toxics.port import SMALL_BYTES, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClose:
    """`delay`: milliseconds from the end of the source to the end that its peer sees."""

    kind: ClassVar[str] = "slow_close"
    buffer_bytes: ClassVar[int] = SMALL_BYTES
    delay: int = 0

    async def pipe(self, stage: Stage) -> None:
        while await stage.take() is not None:
            stage.give()
        await stage.until(monotonic_ns() + self.delay * 1_000_000)
        stage.end()
