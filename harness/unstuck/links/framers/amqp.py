"""AMQP 0-9-1: a method with its content is a message; replies are paired by channel.

What the server sends by itself (deliveries, returns, confirms) are messages of its own on the reply side.
Frames of different channels may change places where they interleave, which the protocol allows.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from unstuck.links.framers import amqp_methods as methods
from unstuck.links.framers.amqp_frames import (
    PROTOCOL,
    Frames,
    Message,
    NotAmqpError,
    Part,
    closing,
    method_frame,
)
from unstuck.links.framers.amqp_methods import Method, Route
from unstuck.links.messages import KEPT_BYTES_MAX, Exchange, Kind, Piece

if TYPE_CHECKING:
    from unstuck.links.framers import FramerHost

TAGS_MAX = 65_536  # of deliveries that nobody settles: as many as a consumer may prefetch


class AmqpExchange(Exchange):
    """A method, from either side. `replies`: the methods that answer it."""

    __slots__ = ("_message", "channel", "method", "replies", "reply_started")

    def __init__(self, message: Message, *, number: int, label: str, offset: int, kind: Kind) -> None:
        self.channel = message.channel
        self.method = message.method
        self.replies = frozenset[Method]()
        self.reply_started = False
        self._message = message
        super().__init__(number=number, label=label, offset=offset, expects_reply=False, kind=kind)

    def text(self) -> str:
        """The body, and what method and properties say of it; of a greeting nothing, it holds a password."""
        message = self._message
        if message.method in (methods.START_OK, methods.SECURE_OK):
            return self.label
        parts = (self.label.encode(), b"".join(message.body), message.args, message.properties)
        return b"\n".join(part for part in parts if part)[:KEPT_BYTES_MAX].decode("utf-8", "replace")


class AmqpFramer:
    """Framer of one connection. Gives up on other protocols, TLS, and AMQP 1.0."""

    name = "amqp"

    def __init__(self, host: FramerHost) -> None:
        self._host = host
        self._passing = False
        # Request side.
        self._begun = False
        self._beginning = b""
        self._requests = Frames()
        self._number = 0
        self._offset = 0
        self._current: AmqpExchange | None = None  # it streams
        self._handshake: list[bytes] | None = []  # what another connection would have to say
        self._ended: set[int] = set()  # channels that we closed, until the client has agreed
        # Reply side.
        self._replies = Frames()
        self._reply_number = 0
        self._reply_offset = 0
        self._reply_current: AmqpExchange | None = None
        self._awaiting: defaultdict[int, deque[AmqpExchange]] = defaultdict(deque)
        self._closing: dict[int, AmqpExchange] = {}  # channels that we close at the server, and for what
        self._tags: defaultdict[int, dict[int, str]] = defaultdict(dict)  # deliveries, by channel
        self._published: dict[int, list[str]] = {}  # by channels that ask for confirms

    # --- requests

    def request(self, data: bytes) -> list[Piece]:
        if self._passing:
            return [*self.request_end(), Piece(None, data)]
        pieces: list[Piece] = []
        try:
            if not self._begun:
                data = self._begin(data, pieces)
            for part in self._requests.feed(data) if data else ():
                if part.first:
                    self._current = self._request(part.message)
                pieces.append(Piece(self._current, part.data, part.first, part.last))
                self._offset += len(part.data)
        except NotAmqpError as error:
            self._give_up(str(error))
            pieces += self.request_end()
        return pieces

    def _begin(self, data: bytes, pieces: list[Piece]) -> bytes:
        """The client names the protocol before anything else. Raises `NotAmqpError`."""
        self._beginning += data
        start = self._beginning[: len(PROTOCOL)]
        if not PROTOCOL.startswith(start):
            tls = start[:1] == b"\x16"
            raise NotAmqpError("TLS" if tls else "the first bytes do not name AMQP 0-9-1")
        if len(start) < len(PROTOCOL):
            return b""
        rest, self._beginning = self._beginning[len(PROTOCOL) :], b""
        self._begun = True
        exchange = self._new(Message(0, None, b"", [start]), "AMQP", "session")
        exchange.replies = frozenset({(10, 10)})
        exchange.expects_reply = True
        pieces.append(Piece(exchange, start, first=True, last=True))
        self._offset += len(start)
        return rest

    def _request(self, message: Message) -> AmqpExchange:
        method, args = message.method, message.args
        if method is None:
            return self._new(message, "heartbeat", "session")
        route = methods.route_of(method, args) if method in methods.WITH_CONTENT else None
        label = methods.label_of(method, args)
        if route is not None:
            label = f"{methods.name_of(method)} {route.label}".rstrip()
        elif method in methods.SETTLING:
            label = f"{label} {self._settle(message.channel, args)}".rstrip()
        exchange = self._new(message, label, methods.kind_of_request(method, route))
        exchange.replies = methods.replies_to(method, args)
        exchange.expects_reply = bool(exchange.replies)
        if route is not None:
            exchange.facts.update(exchange=route.exchange, routing_key=route.routing_key)
        self._remember(method, message)
        return exchange

    def _new(self, message: Message, label: str, kind: Kind) -> AmqpExchange:
        self._number += 1
        return AmqpExchange(message, number=self._number, label=label, offset=self._offset, kind=kind)

    def _remember(self, method: Method, message: Message) -> None:
        if method in (methods.START_OK, methods.TUNE_OK, methods.OPEN) and self._handshake is not None:
            self._handshake.append(message.raw)
        elif method == methods.SECURE_OK:
            self._handshake = None  # said once, and to this server's question only

    def _settle(self, channel: int, args: bytes) -> str:
        """The label of what is acknowledged or rejected: where it was delivered from."""
        tags = self._tags[channel]
        tag, several = methods.settled(args)
        label = tags.get(tag, "") if tag else next(reversed(tags.values()), "")
        for known in [one for one in tags if one == tag or (several and (one <= tag or not tag))]:
            del tags[known]
        return label

    def request_end(self) -> list[Piece]:
        rest, self._beginning = self._beginning + self._requests.leftover(), b""
        return [Piece(None, rest)] if rest else []

    def forwarded(self, exchange: Exchange) -> None:
        assert isinstance(exchange, AmqpExchange)
        channel, method = exchange.channel, exchange.method
        if exchange.expects_reply:
            self._awaiting[channel].append(exchange)
        if method == methods.CONFIRM_SELECT:
            self._published.setdefault(channel, [])
        elif method == methods.PUBLISH and channel in self._published:
            self._published[channel].append(exchange.label.partition(" ")[2])

    def last_awaiting(self) -> Exchange | None:
        """Only a reply that is half sent: all others are for other channels, or end with theirs."""
        return self._reply_current

    def admits(self, exchange: Exchange) -> bool:
        """Nothing of a channel that we closed, up to and with the client's consent to that."""
        assert isinstance(exchange, AmqpExchange)
        if exchange.channel not in self._ended:
            return True
        if exchange.method == methods.CHANNEL_CLOSE_OK:
            self._ended.discard(exchange.channel)
        return False

    def close_channel(self, exchange: AmqpExchange) -> bytes:
        """What tells the server that the channel ended at this request; the client is told by the followers
        of `exchange`, once the server has agreed.

        1. the client hears of the end, 2. it opens the channel again, 3. the server has not closed it yet: a
        channel that is opened twice ends the whole connection.
        """
        channel = exchange.channel
        self._ended.add(channel)
        self._closing[channel] = exchange
        self._forget(channel)
        return closing(channel, methods.CHANNEL_CLOSE, 200, "closed by a fault")

    def _forget(self, channel: int) -> None:
        self._awaiting.pop(channel, None)
        self._tags.pop(channel, None)
        self._published.pop(channel, None)

    def copy_of(self, exchange: Exchange, data: bytes) -> bytes | None:
        """Publishing has a meaning elsewhere; all else is about what its own channel has seen."""
        if (
            not isinstance(exchange, AmqpExchange)
            or exchange.method != methods.PUBLISH
            or not self._handshake
        ):
            return None
        channel = exchange.channel
        opened = method_frame(channel, methods.CHANNEL_OPEN, b"\0")
        done = closing(channel, methods.CHANNEL_CLOSE, 200, "")
        return b"".join([PROTOCOL, *self._handshake, opened, data, done])

    # --- replies

    def reply(self, data: bytes) -> list[Piece]:
        if self._passing:
            return [*self.reply_end(), Piece(None, data)]
        pieces: list[Piece] = []
        try:
            for part in self._replies.feed(data):
                pieces += self._reply_pieces(part)
        except NotAmqpError as error:
            self._give_up(str(error))
            pieces += self.reply_end()
        return pieces

    def _reply_pieces(self, part: Part) -> list[Piece]:
        """Nothing for what comes on a channel that we close; the server's consent ends what we closed it at,
        without a byte of its own."""
        message = part.message
        if part.first:
            if message.channel in self._closing:
                agreed = message.method == methods.CHANNEL_CLOSE_OK
                return [Piece(self._closing.pop(message.channel), b"", last=True)] if agreed else []
            self._reply_current = self._answered(message) or self._unasked(message)
        exchange = self._reply_current
        if exchange is None:  # its first part was for nobody
            return []
        if part.last:
            self._reply_current = None
        self._reply_offset += len(part.data)
        return [Piece(exchange, part.data, part.first, part.last)]

    def _answered(self, message: Message) -> AmqpExchange | None:
        """The request that this answers; the end of a channel or connection answers what waits on it."""
        channel, method = message.channel, message.method
        awaiting = self._awaiting.get(channel)
        ends = method in (methods.CHANNEL_CLOSE, methods.CONNECTION_CLOSE)
        if not awaiting or method is None or not (ends or method in awaiting[0].replies):
            if ends:
                self._forget(channel)
            return None
        exchange = awaiting.popleft()
        exchange.reply_facts["reply"] = methods.name_of(method)
        if ends:
            exchange.reply_facts["error"] = methods.closed_with(message.args)
            self._forget(channel)
        elif method == methods.GET_EMPTY:
            exchange.idle = True
        elif method == methods.GET_OK:
            self._deliver(message, exchange)
        return exchange

    def _unasked(self, message: Message) -> AmqpExchange:
        channel, method = message.channel, message.method
        self._reply_number += 1
        route: Route | None = None
        if method is None:
            label = "heartbeat"
        elif method in methods.WITH_CONTENT:
            route = methods.route_of(method, message.args)
            label = f"{methods.name_of(method)} {route.label}".rstrip()
        elif method in (methods.ACK, methods.NACK):
            label = f"{methods.name_of(method)} {self._confirmed(channel, message.args)}".rstrip()
        else:
            label = methods.name_of(method)
        kind = "session" if method is None else methods.kind_of_unasked(method, route)
        exchange = AmqpExchange(
            message, number=self._reply_number, label=label, offset=self._reply_offset, kind=kind
        )
        if method == methods.DELIVER:
            self._deliver(message, exchange)
        elif method in (methods.CHANNEL_CLOSE, methods.CONNECTION_CLOSE):
            exchange.facts["error"] = methods.closed_with(message.args)
        return exchange

    def _deliver(self, message: Message, exchange: AmqpExchange) -> None:
        """Remembers where a delivery came from, for when it is settled."""
        assert message.method is not None
        route = methods.route_of(message.method, message.args)
        tags = self._tags[message.channel]
        tags[route.tag] = route.label
        if len(tags) > TAGS_MAX:
            del tags[next(iter(tags))]
        exchange.reply_facts.update(
            exchange=route.exchange, routing_key=route.routing_key, redelivered=route.redelivered
        )

    def _confirmed(self, channel: int, args: bytes) -> str:
        tag, _ = methods.settled(args)
        published = self._published.get(channel, [])
        return published[tag - 1] if 0 < tag <= len(published) else ""

    def reply_end(self) -> list[Piece]:
        rest = self._replies.leftover()
        return [Piece(None, rest)] if rest else []

    def _give_up(self, reason: str) -> None:
        self._passing = True
        self._host.gave_up(reason)
