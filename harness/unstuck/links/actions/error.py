"""Replies with an error in the dependency's own words; the request goes nowhere."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from unstuck.links.actions.http_reply import http_reply
from unstuck.links.framers.amqp import AmqpExchange, AmqpFramer
from unstuck.links.framers.amqp_frames import closing
from unstuck.links.framers.amqp_methods import CHANNEL_CLOSE, CONNECTION_CLOSE
from unstuck.links.framers.http1 import HttpExchange
from unstuck.links.framers.postgres import PostgresFramer
from unstuck.links.framers.postgres_frames import PostgresExchange
from unstuck.links.framers.resp import RespExchange, RespFramer
from unstuck.links.messages import Follower

if TYPE_CHECKING:
    from unstuck.links.rules import Error
    from unstuck.links.turn import Turn

INTERNAL_ERROR = 541  # of AMQP


def apply(turn: Turn, action: Error) -> None:
    exchange = turn.exchange
    if isinstance(exchange, HttpExchange):
        turn.answer(_http_error(exchange, action), "error")
    elif isinstance(exchange, PostgresExchange):
        turn.answer(_postgres_error(turn, exchange, action), "error")
        if exchange.label == "STARTUP":  # a server that refuses a session closes it
            pair = turn.pair
            pair.replies.outlet.when_sent(lambda _: pair.cut(with_reset=False))
    elif isinstance(exchange, RespExchange):
        _resp_error(turn, exchange, action)
    elif isinstance(exchange, AmqpExchange):
        _amqp_error(turn, exchange, action)


def _http_error(exchange: HttpExchange, action: Error) -> bytes:
    """AWS clients read the code from their protocol's own envelope; others get JSON."""
    code = action.code or "ServiceUnavailable"
    if "x-amz-target" in exchange.headers:
        body = json.dumps({"__type": code, "message": action.message})
        content_type = "application/x-amz-json-1.0"
    elif "/" in exchange.label:
        body, content_type = json.dumps({"detail": action.message}), "application/json"
    else:
        inner = f"<Code>{escape(code)}</Code><Message>{escape(action.message)}</Message>"
        body = f'<?xml version="1.0"?><Error>{inner}</Error>'
        if exchange.label.startswith("Amazon"):
            body = f'<?xml version="1.0"?><ErrorResponse><Error>{inner}</Error></ErrorResponse>'
        content_type = "application/xml"
    headers = {"Content-Type": content_type}
    return http_reply(exchange, status=action.status, body=body.encode(), headers=headers)


def _resp_error(turn: Turn, exchange: RespExchange, action: Error) -> None:
    """The first word of a Redis error is its code. What was queued behind MULTI the server must forget: the
    client believes that EXEC has."""
    framer = turn.pair.framer
    assert isinstance(framer, RespFramer)
    line = " ".join(f"{action.code or 'ERR'} {action.message}".split())
    turn.answer(f"-{line}\r\n".encode(), "error")
    if exchange.name == "EXEC":
        turn.pair.requests.outlet.send(framer.discard())


def _amqp_error(turn: Turn, exchange: AmqpExchange, action: Error) -> None:
    """AMQP has no errors but the end of a channel, or of the connection where that is not on a channel yet.
    The server is told to end its side of the channel, so that both agree when the client opens it again."""
    pair, framer = turn.pair, turn.pair.framer
    assert isinstance(framer, AmqpFramer)
    code = (
        int(action.code)
        if action.code and action.code.isdigit() and len(action.code) <= 4
        else INTERNAL_ERROR
    )
    if exchange.channel == 0:
        turn.answer(closing(0, CONNECTION_CLOSE, code, action.message, exchange.method or (0, 0)), "error")
        pair.replies.outlet.when_sent(lambda _: pair.cut(with_reset=False))
    else:
        turn.swallow()
        turn.outcome = "error"
        told = closing(exchange.channel, CHANNEL_CLOSE, code, action.message, exchange.method or (0, 0))
        exchange.followers = [Follower(told, turn)]  # the client has no error until the server has agreed
        pair.requests.outlet.send(framer.close_channel(exchange))


def _postgres_error(turn: Turn, exchange: PostgresExchange, action: Error) -> bytes:
    """ErrorResponse and ReadyForQuery. Within a transaction the client is told that it has failed, so
    that it rolls back: the server, which has seen nothing, is then told so too."""
    framer = turn.pair.framer
    assert isinstance(framer, PostgresFramer)
    severity = "FATAL" if exchange.label == "STARTUP" else "ERROR"
    fields = {"S": severity, "V": severity, "C": action.code or "57P03", "M": action.message}
    text = b"".join(f"{key}{value}".encode() + b"\0" for key, value in fields.items()) + b"\0"
    error = b"E" + struct.pack("!I", len(text) + 4) + text
    if not exchange.expects_reply or severity == "FATAL":
        return error
    state = b"I" if framer.transaction_state == b"I" else b"E"
    return error + b"Z\0\0\0\x05" + state
