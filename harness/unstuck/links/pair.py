"""A client's connection and ours to the dependency, with a lane for each direction between them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from unstuck.clock import monotonic_ns
from unstuck.links.framers import FRAMERS, Framer
from unstuck.links.lane import Lane
from unstuck.links.messages import End, Exchange, Follower
from unstuck.links.outlet import Outlet, reset
from unstuck.links.rules import LinkState, On, RuleBook
from unstuck.links.toxics.chain import Chain
from unstuck.links.toxics.port import Stream, Toxic
from unstuck.links.toxics.stage import ToxicStage
from unstuck.links.turn import Turn


class PairHost(Protocol):
    """The link that a pair belongs to, as far as the pair needs it."""

    name: str
    state: LinkState
    rules: RuleBook
    reports_all: bool
    upstream_host: str
    upstream_port: int
    framer_name: str

    def report(self, event: dict[str, Any]) -> None: ...

    def count(self, on: On, exchange: Exchange) -> None: ...

    def hold(self, turn: Turn) -> None: ...

    def ended(self, pair: Pair) -> None: ...

    def invented_id(self, rule_id: str, nth: int, number: int) -> str:
        """A UUID that depends on the run's seed and the arguments only."""
        ...

    def run(self, work: Any) -> None:
        """Runs a coroutine as a task of the link."""
        ...

    def toxic_stages(self, number: int) -> Iterable[ToxicStage]:
        """Places in a new connection for the toxics that the link has now, in their order."""
        ...


class _Quiet:
    """The host of a framer whose connection no client sees."""

    def gave_up(self, reason: str) -> None:
        """Its owner waits for a reply, and sees that none comes."""

    def interim(self, data: bytes) -> None:
        """Nobody is there to read it."""


class Endpoint(asyncio.Protocol):
    """One socket of a pair; `lane` takes what it reads, `outlet` what is written to it."""

    def __init__(self, pair: Pair, lane: Lane, outlet: Outlet) -> None:
        self._pair = pair
        self._lane = lane
        self.outlet = outlet
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._pair.closed:  # cut while the connection was being made
            transport.abort()
            return
        self._lane.source = transport
        self.outlet.attach(transport)
        if self is self._pair.client:
            self._pair.accepted()

    def data_received(self, data: bytes) -> None:
        self._lane.feed(data)

    def eof_received(self) -> bool:
        self._pair.source_ended(self._lane, with_reset=False)
        return True  # half-closed: the other direction goes on

    def connection_lost(self, exc: Exception | None) -> None:
        self.outlet.die()
        if self is self._pair.client:
            self._pair.client_lost(with_reset=exc is not None or self._was_reset())
        self._pair.source_ended(self._lane, with_reset=exc is not None)
        self._pair.lost()

    def _was_reset(self) -> bool:
        """By the peer, without that anything was to be written or read since."""
        sock = self.transport.get_extra_info("socket") if self.transport is not None else None
        return sock is not None and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def pause_writing(self) -> None:
        self.outlet.set_writable(writable=False)

    def resume_writing(self) -> None:
        self.outlet.set_writable(writable=True)


class Pair:
    """Both connections, from accept to the end of both."""

    def __init__(self, host: PairHost, number: int) -> None:
        self.host = host
        self.number = number
        self.link_name = host.name
        self.closed = False
        self.gave_up_reason: str | None = None
        self.turns: set[Turn] = set()
        self.framer = FRAMERS[host.framer_name](self)
        to_upstream, to_client = Outlet(state=host.state), Outlet(state=host.state)
        self.outlets: dict[Stream, Outlet] = {"upstream": to_upstream, "downstream": to_client}
        self.requests = Lane(self, "request", self.framer.request, to_upstream)
        self.replies = Lane(self, "reply", self.framer.reply, to_client)
        to_upstream.on_change = self.requests.regulate
        to_client.on_change = self.replies.regulate
        self.client = Endpoint(self, self.requests, to_client)
        self.upstream = Endpoint(self, self.replies, to_upstream)
        self._finished = 0
        self._unanswered: Exchange | None = None  # which was told
        self._left_behind: Exchange | None = None  # its reply had not come when the client sent its last
        self._open_sockets = 2  # the one to come counts, so that nothing ends before it
        self._chains: dict[Stream, Chain] = {}  # where there are toxics, or one has closed the connection
        for stage in host.toxic_stages(number):
            self.add_toxic(stage)

    # --- life

    def accepted(self) -> None:
        """The client is connected: now to the dependency."""
        self.host.run(self._connect())

    async def _connect(self) -> None:
        host = self.host
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: self.upstream, host.upstream_host, host.upstream_port
            )
        except OSError as error:
            host.report(
                {
                    "event": "refused",
                    "link": host.name,
                    "connection": self.number,
                    "at_ns": monotonic_ns(),
                    "facts": {"error": str(error)},
                }
            )
            self.requests.outlet.die()
            self.cut(with_reset=True)
            self.lost()
        except asyncio.CancelledError:
            self.lost()
            raise

    def source_ended(self, lane: Lane, *, with_reset: bool) -> None:
        if lane is self.requests:
            leftover = self.framer.request_end()
            if not with_reset and not lane.ended:
                self._left_behind = self.framer.last_awaiting()
        else:
            if with_reset:
                self._tell_unanswered()  # nor is one answered whose body was to end with the connection
            leftover = self.framer.reply_end()
            self._tell_unanswered()
        lane.end(leftover, with_reset=with_reset)

    def client_lost(self, *, with_reset: bool) -> None:
        """Of a client that sent its last and went nothing is seen until it is sent something: until then it
        might as well wait for its reply.
        """
        self._tell_unanswered()
        if with_reset and self._left_behind is not None:
            self._tell(self._left_behind)

    def lane_ended(self, lane: Lane, end: End) -> None:
        """Everything that the lane's source sent has been dealt with."""
        if end.reset:
            lane.outlet.end(half=False, then=lambda _: self.cut(with_reset=True))
            return
        lane.outlet.end(half=True, then=lambda _: self._lane_finished())

    def _lane_finished(self) -> None:
        self._finished += 1
        if self._finished == 2:
            self._close(lambda transport: transport.close())

    def cut(self, *, with_reset: bool) -> None:
        """Ends both connections now; nothing that waits goes on."""
        self.closed = True
        self._left_behind = None  # from now on it is ours who reset the client
        for lane in (self.requests, self.replies):
            lane.blocked = False
            lane.drop_pending()
        self._close(reset if with_reset else lambda transport: transport.close())
        for endpoint in (self.client, self.upstream):
            if endpoint.transport is None:  # it never gets one now
                endpoint.outlet.die()

    def _close(self, how: Callable[[asyncio.Transport], None]) -> None:
        self.closed = True
        for endpoint in (self.client, self.upstream):
            if endpoint.transport is not None:
                how(endpoint.transport)

    def lost(self) -> None:
        """A socket is gone; with the second, the pair."""
        self._open_sockets -= 1
        if self._open_sockets == 0:
            for turn in list(self.turns):
                turn.done("failed", why="the connection ended first")
            self.host.ended(self)

    def _tell_unanswered(self) -> None:
        """Whoever asked has gone, or the dependency has, and the reply will not come any more.

        A poll that is given up is no call in vain: it asked whether there was work, and there was none.
        """
        exchange = self.framer.last_awaiting()
        if exchange is not None and not self.closed:
            self._tell(exchange)

    def _tell(self, exchange: Exchange) -> None:
        if exchange is self._unanswered or exchange.kind not in {"write", "read"} or self.gave_up_reason:
            return
        self._unanswered = exchange
        self._report_exchange("unanswered", exchange)

    def set_state(self, state: LinkState) -> None:
        if state.kind == "down":
            self._tell_unanswered()
            self.cut(with_reset=True)
        else:
            self.requests.outlet.set_state(state)
            self.replies.outlet.set_state(state)

    # --- toxics

    def add_toxic(self, stage: ToxicStage) -> None:
        """From now on, for all that comes; it stands behind those that are there."""
        stream = stage.toxic.stream
        if stream not in self._chains:
            lane = self._lane(stream)

            def close(with_reset: bool) -> None:  # noqa: FBT001  a callback's one argument
                self._closed_by_toxic(lane, with_reset=with_reset)

            self._chains[stream] = Chain(self.outlets[stream], close=close)
            lane.outlet = self._chains[stream]
        self._chains[stream].add(stage)

    def change_toxic(self, toxic: Toxic) -> None:
        if chain := self._chains.get(toxic.stream):
            chain.change(toxic)

    def remove_toxic(self, toxic: Toxic) -> None:
        """What it holds goes on; without any toxic nothing stands before the outlet again."""
        stream = toxic.stream
        if chain := self._chains.get(stream):
            chain.remove(toxic.name)
            if chain.idle:
                del self._chains[stream]
                self._lane(stream).outlet = self.outlets[stream]

    def bytes_of(self, stream: Stream) -> tuple[int, int]:
        """Received from the direction's source so far, and sent to its peer."""
        return self._lane(stream).received_bytes, self.outlets[stream].sent_bytes

    def _lane(self, stream: Stream) -> Lane:
        return self.requests if stream == "upstream" else self.replies

    def _closed_by_toxic(self, lane: Lane, *, with_reset: bool) -> None:
        """The peer's side closes now, the source's once what comes back has ended, too."""
        peer = (self.upstream if lane is self.requests else self.client).transport
        if with_reset or peer is None:
            self.cut(with_reset=with_reset)
            return
        lane.muted = True
        peer.close()
        self._lane_finished()

    def new_framer(self) -> Framer:
        """One for another connection, which reports nothing."""
        return FRAMERS[self.host.framer_name](_Quiet())

    # --- for framers

    def gave_up(self, reason: str) -> None:
        self.gave_up_reason = reason
        self.host.report(
            {
                "event": "unframed",
                "link": self.link_name,
                "connection": self.number,
                "at_ns": monotonic_ns(),
                "facts": {"reason": reason},
            }
        )

    def interim(self, data: bytes) -> None:
        self.replies.outlet.send(data)

    # --- for turns

    def answer(self, turn: Turn, data: bytes) -> None:
        """Sends a reply of our own behind the replies that are still to come."""
        before = self.framer.last_awaiting() or self.replies.last_exchange()
        follower = Follower(data, turn)
        if before is None:
            self.send_answer(follower)
        elif before.followers is None:
            before.followers = [follower]
        else:
            before.followers.append(follower)

    def send_answer(self, follower: Follower) -> None:
        turn: Turn = follower.turn
        self.replies.outlet.send(follower.data)
        self.replies.outlet.when_sent(
            lambda went: (
                turn.done(turn.outcome or "answered")
                if went
                else turn.done("failed", why="the client was gone, or a toxic swallowed it")
            )
        )

    def report_seen(self, on: On, exchange: Exchange) -> None:
        self._report_exchange("seen", exchange, on=on, idle=on == "reply" and exchange.idle)

    def _report_exchange(self, event: str, exchange: Exchange, **more: Any) -> None:
        self.host.report(
            {
                "event": event,
                "link": self.link_name,
                "label": exchange.label,
                "kind": exchange.kind,
                "connection": self.number,
                "exchange": exchange.number,
                "at_ns": monotonic_ns(),
                "facts": exchange.told(),
                **more,
            }
        )
