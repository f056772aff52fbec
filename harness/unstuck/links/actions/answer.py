"""Replies in the dependency's place; the request goes nowhere."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from unstuck.links.actions import sqs
from unstuck.links.actions.http_reply import http_reply
from unstuck.links.framers.http1 import HttpExchange

if TYPE_CHECKING:
    from unstuck.links.rules import Answer
    from unstuck.links.turn import Turn


def apply(turn: Turn, action: Answer) -> None:
    exchange = turn.exchange
    assert isinstance(exchange, HttpExchange), "links that cannot answer refuse the rule"
    headers = dict(action.headers)
    body = (action.body or "").encode()
    if action.body is None and action.status == 200 and exchange.label in sqs.LABELS:
        accepted = sqs.accept(
            exchange, map(partial(turn.pair.host.invented_id, turn.rule.id, turn.nth), count())
        )
        turn.facts["message_ids"] = accepted.message_ids
        body = accepted.body
        headers = {**accepted.headers, **headers}
    turn.answer(http_reply(exchange, status=action.status, body=body, headers=headers), "answered")
