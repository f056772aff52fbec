"""One framer a file: how bytes of a protocol become messages that rules can name and count.

A framer belongs to one connection. Fed with the same bytes in any chunks, it finds the same messages
(but for `raw`, whose messages are the chunks). It never changes, adds or loses a byte, except that
one `100 Continue` may come from the proxy instead of the dependency. Bytes that it does not
understand make it give up for good: it says so once, and passes everything on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from unstuck.links.framers.amqp import AmqpFramer
from unstuck.links.framers.http1 import Http1Framer
from unstuck.links.framers.postgres import PostgresFramer
from unstuck.links.framers.raw import RawFramer
from unstuck.links.framers.resp import RespFramer
from unstuck.links.messages import Exchange, Piece


class FramerHost(Protocol):
    """What a framer may ask of the connection that it frames."""

    def gave_up(self, reason: str) -> None:
        """From now on nothing is judged or counted on this connection."""
        ...

    def interim(self, data: bytes) -> None:
        """Sends `data` to the client now; no reply is under way."""
        ...


class Framer(Protocol):
    """Both directions of one connection, since replies are paired with requests."""

    name: str

    def request(self, data: bytes) -> list[Piece]:
        """What the client's next bytes complete. A message's first piece comes when it can be judged:
        when it is whole, or larger than `KEPT_BYTES_MAX`."""
        ...

    def reply(self, data: bytes) -> list[Piece]:
        """What the dependency's next bytes bring; nothing waits for a whole reply."""
        ...

    def request_end(self) -> list[Piece]:
        """The client ended its stream: what was kept back, unjudged."""
        ...

    def reply_end(self) -> list[Piece]:
        """The dependency ended its stream: what was kept back."""
        ...

    def forwarded(self, exchange: Exchange) -> None:
        """The dependency is about to get this request: a reply to it will come, in this order."""
        ...

    def last_awaiting(self) -> Exchange | None:
        """The newest forwarded request whose reply has not ended, if any."""
        ...

    def admits(self, exchange: Exchange) -> bool:
        """False: a request that must not go on any more, since an answer of ours has ended what it belongs
        to (a channel that we closed)."""
        ...

    def copy_of(self, exchange: Exchange, data: bytes) -> bytes | None:
        """What a connection of its own has to send so that the dependency gets `data`, the whole of the
        request, once more: with what opens and ends a session like this one. None: a copy has no meaning.

        Fed to another framer, the last request in it is the one whose reply says that the copy was taken.
        """
        ...


def _raw(_host: FramerHost) -> Framer:
    return RawFramer()


FRAMERS: Mapping[str, Callable[[FramerHost], Framer]] = {
    "raw": _raw,
    "http1": Http1Framer,
    "postgres": PostgresFramer,
    "resp": RespFramer,
    "amqp": AmqpFramer,
}
UNABLE: Mapping[str, frozenset[str]] = {
    "raw": frozenset({"answer", "error", "duplicate"}),
    "http1": frozenset(),
    "postgres": frozenset({"answer", "duplicate"}),
    "resp": frozenset({"answer"}),
    "amqp": frozenset({"answer"}),
}
"""Actions that have no meaning in a protocol: a second PostgreSQL session would need to log in, and what
success looks like in Redis or RabbitMQ depends on their data."""
