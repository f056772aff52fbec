"""Sends the request once more on a connection of its own; the copy's reply is read and thrown away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from unstuck.links.messages import Piece

if TYPE_CHECKING:
    from unstuck.links.framers import Framer
    from unstuck.links.rules import Duplicate
    from unstuck.links.turn import Turn

REPLY_TIMEOUT_S = 30.0


def apply(turn: Turn, action: Duplicate) -> None:
    if not turn.whole:
        turn.done("failed", why=f"the request of {len(turn.data)} bytes and more is too large to be kept")
        return
    data = turn.pair.framer.copy_of(turn.exchange, turn.data)
    if data is None:
        turn.done("failed", why=f"{turn.exchange.label} has no meaning on a connection of its own")
        return
    turn.on_forwarded = lambda: _send_copy(turn, data, action.after_s)
    turn.proceed()


def _send_copy(turn: Turn, data: bytes, after_s: float) -> None:
    turn.pair.turns.discard(turn)  # the copy may outlive the connection that the original came on
    turn.pair.host.run(_copy(turn, data, after_s))


async def _copy(turn: Turn, data: bytes, after_s: float) -> None:
    host = turn.pair.host
    await asyncio.sleep(after_s)
    connection = _Copy(turn.pair.new_framer(), data)
    try:
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            await asyncio.get_running_loop().create_connection(
                lambda: connection, host.upstream_host, host.upstream_port
            )
            await connection.replied
    except OSError as error:  # TimeoutError is one
        turn.done("failed", why=f"the copy got no reply: {error!r}")
    else:
        turn.done("duplicated", copy=dict(connection.exchange.reply_facts))
    finally:
        connection.close()


class _Copy(asyncio.Protocol):
    """Sends once, reads until the reply to the last request in it."""

    def __init__(self, framer: Framer, data: bytes) -> None:
        begun = [
            piece.exchange for piece in framer.request(data) if piece.first and piece.exchange is not None
        ]
        for exchange in begun:
            framer.forwarded(exchange)
        self.exchange = begun[-1]
        self.replied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._framer = framer
        self._data = data
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._data)

    def data_received(self, data: bytes) -> None:
        self._look(self._framer.reply(data))

    def eof_received(self) -> None:
        self._look(self._framer.reply_end())

    def _look(self, pieces: list[Piece]) -> None:
        if (
            any(piece.last and piece.exchange is self.exchange for piece in pieces)
            and not self.replied.done()
        ):
            self.replied.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.replied.done():
            self.replied.set_exception(ConnectionError(str(exc or "closed by the dependency")))

    def close(self) -> None:
        if self.replied.done() and not self.replied.cancelled():
            self.replied.exception()  # seen: nobody else may ask for it
        if self._transport is not None:
            self._transport.close()
