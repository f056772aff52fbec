"""One direction of a connection: pieces are judged in order, and go on, wait, or vanish."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from unstuck.links.actions import apply
from unstuck.links.messages import KEPT_BYTES_MAX, End, Exchange, Piece
from unstuck.links.outlet import WayOut
from unstuck.links.rules import On
from unstuck.links.turn import Turn

if TYPE_CHECKING:
    from unstuck.links.pair import Pair

PENDING_BYTES_MAX = 1024 * 1024  # above the largest message that is gathered, so gathering cannot starve


class Lane:
    """One direction: bytes in, pieces judged in order, bytes out.

    Pieces wait in `_pending` while an action has its hand on the first of them (`blocked`), or while
    a reply that a rule may act on is not whole yet.
    """

    def __init__(self, pair: Pair, on: On, parse: Callable[[bytes], list[Piece]], outlet: WayOut) -> None:
        self.pair = pair
        self.on: On = on
        self.outlet = outlet  # or the toxics before it, while there are some
        self.received_bytes = 0
        self.blocked = False
        self.swallowing = False  # the current message does not go on
        self.muted = False  # nothing goes on any more
        self.ended = False
        self.source: asyncio.Transport | None = None
        self._parse = parse
        self._pending: deque[Piece | End] = deque()
        self._pending_bytes = 0
        self._judged: Exchange | None = None
        self._turn: Turn | None = None
        self._resting = False

    def feed(self, data: bytes) -> None:
        """Takes what the source sent."""
        self.received_bytes += len(data)
        pieces = self._parse(data)
        if self._pending or self.blocked:
            self._keep(pieces)
            if not self.blocked:
                self.drain()
        else:
            for index, piece in enumerate(pieces):
                if not self._pass(piece):
                    self._keep_first(pieces[index:])
                    break
        self.regulate()

    def end(self, leftover: Iterable[Piece], *, with_reset: bool) -> None:
        """The source has ended, behind all that it sent."""
        if self.pair.closed or (self.ended and not with_reset):
            return  # a reset may still follow an orderly end: the client that half-closed is gone now
        self.ended = True
        self._keep(leftover)
        self._pending.append(End(with_reset))
        if not self.blocked:
            self.drain()

    def unblock(self) -> None:
        self.blocked = False
        self.drain()

    def last_exchange(self) -> Exchange | None:
        """The newest message that waits in this lane."""
        waiting = (piece.exchange for piece in reversed(self._pending) if isinstance(piece, Piece))
        return next((exchange for exchange in waiting if exchange is not None), None)

    def drop_pending(self) -> None:
        self._pending.clear()
        self._pending_bytes = 0

    def regulate(self) -> None:
        """Back-pressure: the source rests while we cannot get rid of what it sent."""
        rest = self.outlet.full or self._pending_bytes > PENDING_BYTES_MAX
        if rest is not self._resting and self.source is not None and not self.source.is_closing():
            self._resting = rest
            if rest:
                self.source.pause_reading()
            else:
                self.source.resume_reading()

    def drain(self) -> None:
        while self._pending and not self.blocked:
            piece = self._pending[0]
            if isinstance(piece, End):
                self._pending.popleft()
                self.pair.lane_ended(self, piece)
            elif not self._pass(piece):
                break
            elif self._pending:  # a cut empties it
                self._pending.popleft()
                self._pending_bytes -= len(piece.data)
        self.regulate()

    def _keep(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            self._pending.append(piece)
            self._pending_bytes += len(piece.data)

    def _keep_first(self, pieces: list[Piece]) -> None:
        """Keeps what could not pass; the first may be waiting for the rest of its reply."""
        if self.pair.closed:
            return
        self._keep(pieces)
        if not self.blocked:
            self.drain()

    def _pass(self, piece: Piece) -> bool:
        """True when the piece was dealt with, false when it has to wait."""
        exchange = piece.exchange
        if exchange is not None and piece.first and exchange is not self._judged:
            if not self._judge(exchange, piece):
                return False
            if self.blocked:
                return False
        if not (self.muted or (self.swallowing and exchange is not None)):
            if self.on == "request" and piece.first and exchange is not None:
                self.pair.framer.forwarded(exchange)
            if piece.data:
                self.outlet.send(piece.data)
        if piece.last and exchange is not None:
            self._finish(exchange)
        return True

    def _judge(self, exchange: Exchange, piece: Piece) -> bool:
        """Lets the rules look at a message whose turn it is; False when it is not whole yet."""
        if exchange.is_part or (self.on == "request" and not self.pair.framer.admits(exchange)):
            self._judged = exchange
            self._turn = None
            self.swallowing = not exchange.is_part
            return True
        host = self.pair.host
        rules = () if self.on == "reply" and exchange.idle else host.rules.rules_for(host.name, self.on)
        data, whole = piece.data, piece.last
        if rules and self.on == "reply" and not whole and host.rules.may_fire(host.name, self.on, exchange):
            gathered = self._gathered(exchange)
            if gathered is None:
                return False
            data, whole = gathered
        self._judged = exchange
        self._turn = None
        self.swallowing = False
        host.count(self.on, exchange)
        if host.reports_all:
            self.pair.report_seen(self.on, exchange)
        if rules and not self.muted:
            self._apply(exchange, data, whole=whole)
        return not self.pair.closed

    def _gathered(self, exchange: Exchange) -> tuple[bytes, bool] | None:
        """The reply so far, once it is whole or too large to wait for; None: wait."""
        parts = [piece for piece in self._pending if isinstance(piece, Piece) and piece.exchange is exchange]
        data = b"".join(part.data for part in parts)
        whole = bool(parts) and parts[-1].last
        if whole or len(data) > KEPT_BYTES_MAX or self.ended or self.pair.gave_up_reason:
            return data, whole
        return None

    def _apply(self, exchange: Exchange, data: bytes, *, whole: bool) -> None:
        host = self.pair.host
        for match in host.rules.judge(host.name, self.on, exchange):
            turn = Turn(pair=self.pair, lane=self, exchange=exchange, match=match, data=data, whole=whole)
            turn.matched()
            if self._turn is not None:
                turn.done("shadowed", by=self._turn.rule.id)
                continue
            self._turn = turn
            self.pair.turns.add(turn)
            apply(turn)

    def _finish(self, exchange: Exchange) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and turn.outcome in ("forwarded", "delivered"):
            self._report_when_sent(turn)
        if self.on == "reply" and exchange.followers:
            followers, exchange.followers = exchange.followers, None
            for follower in followers:
                self.pair.send_answer(follower)

    def _report_when_sent(self, turn: Turn) -> None:
        outcome = turn.outcome or ""

        def sent(went: bool) -> None:  # noqa: FBT001  a callback's one argument
            if went and turn.on_forwarded is not None:
                turn.on_forwarded()
            elif went:
                turn.done(outcome)
            else:
                turn.done("failed", why="the connection ended first, or a toxic swallowed it")

        self.outlet.when_sent(sent)
