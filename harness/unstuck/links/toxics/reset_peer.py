"""The connection is reset, some time after its first byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unstuck.clock import monotonic_ns
from unstuck.links.toxics.port import SMALL_BYTES, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPeer:
    """`timeout`: milliseconds from the first byte, or the end, of the source to the RST; 0: at once.

    From that byte on nothing goes through, and taking the toxic away only brings the reset forward.
    """

    kind: ClassVar[str] = "reset_peer"
    buffer_bytes: ClassVar[int] = SMALL_BYTES
    timeout: int = 0

    async def pipe(self, stage: Stage) -> None:
        await stage.take()
        stage.drop()
        stage.condemn(with_reset=True)
        await stage.until(monotonic_ns() + self.timeout * 1_000_000)
        stage.close(with_reset=True)
