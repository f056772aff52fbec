"""Bytes without a meaning: each chunk that was read is a message labelled `raw`."""

from __future__ import annotations

from unstuck.links.messages import KEPT_BYTES_MAX, Exchange, Piece


class RawExchange(Exchange):
    """A chunk, in either direction."""

    __slots__ = ("data",)

    def __init__(self, *, number: int, offset: int, data: bytes) -> None:
        super().__init__(number=number, label="raw", offset=offset, expects_reply=False)
        self.data = data

    def text(self) -> str:
        return self.data[:KEPT_BYTES_MAX].decode("utf-8", "replace")


class RawFramer:
    """Here, and only here, messages depend on how the network cut the bytes."""

    name = "raw"

    def __init__(self) -> None:
        self._numbers = [0, 0]
        self._offsets = [0, 0]

    def request(self, data: bytes) -> list[Piece]:
        return self._chunk(0, data)

    def reply(self, data: bytes) -> list[Piece]:
        return self._chunk(1, data)

    def _chunk(self, side: int, data: bytes) -> list[Piece]:
        self._numbers[side] += 1
        exchange = RawExchange(number=self._numbers[side], offset=self._offsets[side], data=data)
        self._offsets[side] += len(data)
        return [Piece(exchange, data, True, True)]  # noqa: FBT003  hot path, positional

    def request_end(self) -> list[Piece]:
        return []

    def reply_end(self) -> list[Piece]:
        return []

    def forwarded(self, exchange: Exchange) -> None:
        """Chunks are not paired with replies."""

    def last_awaiting(self) -> Exchange | None:
        return None

    def admits(self, exchange: Exchange) -> bool:  # noqa: ARG002  nothing of ours ends what it belongs to
        return True

    def copy_of(self, exchange: Exchange, data: bytes) -> bytes | None:  # noqa: ARG002  no copy has a meaning
        return None
