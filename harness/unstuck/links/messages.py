"""What framers make of bytes: exchanges (a request and its reply) and the pieces that carry them.

A piece never mixes two exchanges, and the pieces of a direction, put together, are its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, get_args

KEPT_BYTES_MAX = 256 * 1024
"""A request up to this size is read whole before it is judged, and can be looked into; of a larger
one only the beginning is known, and the rest streams through."""


Kind = Literal["write", "poll", "read", "session"]
"""What matters in a message, the weightiest first:

write    changes something: a loss of the request or of its reply may cost a job
poll     a look for work, blocking or repeated, or what a dependency sends unasked: its *reply* matters,
         since a job may be in it that is out of the queue and not yet with the worker
read     asks, and changes nothing
session  keeps the connection: a greeting, a ping, a heartbeat, a setting, a subscription
"""
KINDS: tuple[Kind, ...] = get_args(Kind)
TEXT_SHOWN = 200  # characters of a message, for people


def weightiest(kinds: Iterable[Kind]) -> Kind:
    """The kind of a message that is made of several; `session` for none."""
    return min(kinds, key=KINDS.index, default="session")


class Exchange:
    """One request on one connection, and what is known of its reply so far.

    `number` counts from 1 within the connection, `offset` is where its first byte stands in the bytes
    that the client sent; both are the same however the bytes were cut into chunks.
    `idle` is known when the first piece of the reply comes: a poll that brought no work.
    `is_part`: goes on unjudged, since it belongs to a message that is still to come (a command that is
    queued in a transaction does nothing before EXEC).
    """

    __slots__ = (
        "expects_reply", "facts", "followers", "idle", "is_part", "kind", "label", "number", "offset",
        "reply_facts",
    )  # fmt: skip

    def __init__(
        self, *, number: int, label: str, offset: int, expects_reply: bool, kind: Kind = "write"
    ) -> None:
        self.number = number
        self.label = label
        self.offset = offset
        self.expects_reply = expects_reply
        self.kind: Kind = kind
        self.idle = False
        self.is_part = False
        self.facts: dict[str, Any] = {}
        self.reply_facts: dict[str, Any] = {}
        self.followers: list[Follower] | None = None

    def text(self) -> str:
        """What `contains` of a rule is looked for in; empty when the request was not kept."""
        return ""

    def told(self) -> dict[str, Any]:
        """All facts, for an event; `text` is the beginning of `text()`, for people."""
        text = "".join(char if char.isprintable() else " " for char in self.text()[:TEXT_SHOWN])
        return {
            **self.facts, **self.reply_facts,
            "text": text, "offset": self.offset, "expects_reply": self.expects_reply,
        }  # fmt: skip


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
