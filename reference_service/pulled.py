"""What queues have in common whose messages are pulled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reference_service.ports import Message


class Pulled:
    """A part of `ports.Queue`, for adapters that have the rest."""

    @property
    def address(self) -> str | None:
        return None

    def fileno(self) -> int:
        raise OSError("nothing is pushed")

    def refuse(self) -> None:
        """Nothing is pushed."""

    def give_back(self, message: Message) -> None:
        """Sent again first: deleting alone would lose it, keeping it hides it until its visibility ends."""
        self.send(message.body)
        self.delete(message)

    def send(self, body: Mapping[str, Any]) -> str:
        raise NotImplementedError

    def delete(self, message: Message) -> None:
        raise NotImplementedError
