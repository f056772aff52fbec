"""What framers make of bytes: exchanges (a request and its reply) and the pieces that carry them.

A piece never mixes two exchanges, and the pieces of a direction, put together, are its bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

KEPT_BYTES_MAX = 256 * 1024
"""A request up to this size is read whole before it is judged, and can be looked into; of a larger
one only the beginning is known, and the rest streams through."""


class Exchange:
    """One request on one connection, and what is known of its reply so far.

    `number` counts from 1 within the connection, `offset` is where its first byte stands in the bytes
    that the client sent; both are the same however the bytes were cut into chunks.
    """

    __slots__ = ("expects_reply", "facts", "followers", "label", "number", "offset", "reply_facts")

    def __init__(self, *, number: int, label: str, offset: int, expects_reply: bool) -> None:
        self.number = number
        self.label = label
        self.offset = offset
        self.expects_reply = expects_reply
        self.facts: dict[str, Any] = {}
        self.reply_facts: dict[str, Any] = {}
        self.followers: list[Follower] | None = None

    def text(self) -> str:
        """What `contains` of a rule is looked for in; empty when the request was not kept."""
        return ""


class Follower(NamedTuple):
    """A reply of our own that has to wait for an earlier reply on the same connection."""

    data: bytes
    turn: Any  # the `Turn` to report once it is written


class Piece(NamedTuple):
    """Bytes that go on together. `exchange` None: outside of any message, never judged."""

    exchange: Exchange | None
    data: bytes
    first: bool = False
    last: bool = False


class End(NamedTuple):
    """The sender has ended: an orderly end of stream, or a reset."""

    reset: bool
