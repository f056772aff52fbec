"""The connection closes after so many bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unstuck.links.toxics.port import SMALL_BYTES, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitData:
    """`bytes`: of this direction of a connection, counted from when the toxic was put there."""

    kind: ClassVar[str] = "limit_data"
    buffer_bytes: ClassVar[int] = SMALL_BYTES
    bytes: int = 0

    async def pipe(self, stage: Stage) -> None:
        while (chunk := await stage.take()) is not None:
            left = max(0, self.bytes - stage.given_bytes)
            stage.give(min(left, len(chunk.data)))
            if stage.given_bytes >= self.bytes:
                stage.drop()
                stage.close()
                return
        stage.end()
