"""Nothing: for clients that want a toxic which does no harm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unstuck.links.toxics.port import SMALL_BYTES, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Noop:
    """Has no attributes."""

    kind: ClassVar[str] = "noop"
    buffer_bytes: ClassVar[int] = SMALL_BYTES

    async def pipe(self, stage: Stage) -> None:
        while await stage.take() is not None:
            stage.give()
        stage.end()
