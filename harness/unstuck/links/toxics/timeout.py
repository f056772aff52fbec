"""Nothing goes through any more, and after a silence the connection closes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from unstuck.links.toxics.port import SMALL_BYTES, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """`timeout`: milliseconds without a byte from the source until the connection closes; 0: never.

    Bytes are lost, so a connection does not outlive the removal of the toxic.
    """

    kind: ClassVar[str] = "timeout"
    buffer_bytes: ClassVar[int] = SMALL_BYTES
    timeout: int = 0

    async def pipe(self, stage: Stage) -> None:
        stage.condemn()
        patience_s = self.timeout / 1000 if self.timeout > 0 else None
        try:
            while True:
                async with asyncio.timeout(patience_s):  # each byte starts it again
                    chunk = await stage.take()
                if chunk is None:
                    break
                stage.drop()
        except TimeoutError:
            pass
        stage.close()
