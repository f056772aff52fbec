"""Methods of AMQP 0-9-1 (with RabbitMQ's own): names, what they say, what answers them, what matters."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from unstuck.links.framers.identities import collapse
from unstuck.links.messages import Kind

Method = tuple[int, int]  # class and method, as they travel

_TABLE = """
connection 10: 10 start 11 start-ok 20 secure 21 secure-ok 30 tune 31 tune-ok 40 open 41 open-ok 50 close
    51 close-ok 60 blocked 61 unblocked 70 update-secret 71 update-secret-ok
channel 20: 10 open 11 open-ok 20 flow 21 flow-ok 40 close 41 close-ok
exchange 40: 10 declare 11 declare-ok 20 delete 21 delete-ok 30 bind 31 bind-ok 40 unbind 51 unbind-ok
queue 50: 10 declare 11 declare-ok 20 bind 21 bind-ok 30 purge 31 purge-ok 40 delete 41 delete-ok 50 unbind
    51 unbind-ok
basic 60: 10 qos 11 qos-ok 20 consume 21 consume-ok 30 cancel 31 cancel-ok 40 publish 50 return 60 deliver
    70 get 71 get-ok 72 get-empty 80 ack 90 reject 100 recover-async 110 recover 111 recover-ok 120 nack
confirm 85: 10 select 11 select-ok
tx 90: 10 select 11 select-ok 20 commit 21 commit-ok 30 rollback 31 rollback-ok
"""


def _names() -> dict[Method, str]:
    names = {}
    for group, number, text in re.findall(r"(\w+) (\d+): ([^:]*)(?=\n\w|\n\Z)", _TABLE):
        for method, name in re.findall(r"(\d+) ([a-z-]+)", text):
            names[int(number), int(method)] = f"{group}.{name}"
    return names


NAMES = _names()
_NUMBERS = {name: method for method, name in NAMES.items()}
PUBLISH, RETURN, DELIVER = (60, 40), (60, 50), (60, 60)
GET, GET_OK, GET_EMPTY = (60, 70), (60, 71), (60, 72)
ACK, REJECT, NACK = (60, 80), (60, 90), (60, 120)
START_OK, TUNE_OK, OPEN = (10, 11), (10, 31), (10, 40)
SECURE_OK = (10, 21)
CHANNEL_OPEN, CHANNEL_CLOSE, CHANNEL_CLOSE_OK = (20, 10), (20, 40), (20, 41)
CONNECTION_CLOSE = (10, 50)
CONFIRM_SELECT = (85, 10)
WITH_CONTENT = frozenset({PUBLISH, RETURN, DELIVER, GET_OK})
SETTLING = frozenset({ACK, REJECT, NACK})

_WRITING = frozenset({
    PUBLISH, ACK, REJECT, NACK, *(_NUMBERS[name] for name in (
        "queue.delete", "queue.purge", "exchange.delete", "basic.recover", "basic.recover-async", "tx.commit",
    ))
})  # fmt: skip
_BRINGING = frozenset({DELIVER, RETURN, ACK, NACK, _NUMBERS["basic.cancel"]})
_TALK = re.compile(r"(?:^|\.)pidbox(?:$|\.)|^celeryev$")
_SERVER_NAMED = re.compile(r"amq\.gen-\S+")
# What stands in front of the bit `no-wait`: fields (s: short string, h: 16 bits), and which bit it is.
_NO_WAIT: dict[str, tuple[str, int]] = {
    "exchange.declare": ("hss", 4), "exchange.delete": ("hs", 1), "exchange.bind": ("hsss", 0),
    "exchange.unbind": ("hsss", 0), "queue.declare": ("hs", 4), "queue.bind": ("hsss", 0),
    "queue.purge": ("hs", 0), "queue.delete": ("hs", 2), "basic.consume": ("hss", 3),
    "basic.cancel": ("s", 0), "confirm.select": ("", 0),
}  # fmt: skip
_NAMED_BY: dict[str, str] = {
    "exchange.declare": "hs", "exchange.delete": "hs", "queue.declare": "hs", "queue.delete": "hs",
    "queue.purge": "hs", "queue.bind": "hs", "queue.unbind": "hs", "basic.consume": "hs", "basic.get": "hs",
    "exchange.bind": "hs", "exchange.unbind": "hs",
}  # fmt: skip


class Route(NamedTuple):
    """Where a message with content was sent to, or comes from."""

    exchange: str
    routing_key: str
    tag: int = 0  # of the delivery
    redelivered: bool = False

    @property
    def label(self) -> str:
        """The routing key, and the exchange where it says something else: `celery`, `events user.created`."""
        parts = [self.exchange, self.routing_key]
        if self.exchange in ("", self.routing_key):
            parts = [self.routing_key]
        return " ".join(named(part) for part in parts if part)


def named(name: str) -> str:
    """A name without identities, also those that the server invents."""
    return collapse(_SERVER_NAMED.sub("amq.gen-*", name))


def name_of(method: Method) -> str:
    return NAMES.get(method, f"method {method[0]}.{method[1]}")


def fields(form: str, args: bytes, start: int = 0) -> tuple[list[str], int]:
    """The short strings of `form` (s: one, h: 16 bits to skip), and the position behind."""
    found, at = [], start
    for kind in form:
        if kind == "h":
            at += 2
        else:
            size = args[at] if at < len(args) else 0
            found.append(args[at + 1 : at + 1 + size].decode("utf-8", "replace"))
            at += 1 + size
    return found, at


def route_of(method: Method, args: bytes) -> Route:
    """Of a method with content."""
    if method == PUBLISH:
        (exchange, key), _ = fields("hss", args)
        return Route(exchange, key)
    if method == RETURN:
        (_, exchange, key), _ = fields("hsss", args)
        return Route(exchange, key)
    at = fields("s", args)[1] if method == DELIVER else 0
    tag, redelivered = struct.unpack_from("!Q?", args, at) if len(args) >= at + 9 else (0, False)
    (exchange, key), _ = fields("ss", args, at + 9)
    return Route(exchange, key, tag, redelivered)


def settled(args: bytes) -> tuple[int, bool]:
    """The delivery tag of an ack, nack or reject, and whether all before it are meant, too."""
    if len(args) < 9:
        return 0, False
    tag, bits = struct.unpack_from("!QB", args)
    return tag, bool(bits & 1)


def closed_with(args: bytes) -> str:
    """Why a channel or connection was closed: `404 NOT_FOUND …`."""
    code = struct.unpack_from("!H", args)[0] if len(args) >= 2 else 0
    (text,), _ = fields("s", args, 2)
    return f"{code} {text}"


def label_of(method: Method, args: bytes) -> str:
    """`queue.declare celery`, `channel.open`; what has content or settles it is called by its route."""
    name = name_of(method)
    form = _NAMED_BY.get(name)
    (what,) = fields(form, args)[0] if form else ("",)
    return f"{name} {named(what)}" if what else name


def replies_to(method: Method, args: bytes) -> frozenset[Method]:
    """The methods that answer it on its channel; none when nothing does."""
    name = name_of(method)
    if method == GET:
        return frozenset({GET_OK, GET_EMPTY})
    if method == START_OK:
        return frozenset({_NUMBERS["connection.tune"], _NUMBERS["connection.secure"]})
    answer = _NUMBERS.get(f"{name}-ok")
    if answer is None or name in ("connection.start", "connection.tune", "connection.secure", "channel.flow"):
        return frozenset()
    if name in _NO_WAIT:
        form, bit = _NO_WAIT[name]
        at = fields(form, args)[1]
        if at < len(args) and args[at] & (1 << bit):
            return frozenset()
    return frozenset({answer})


def kind_of_request(method: Method, route: Route | None) -> Kind:
    """What is published for other workers' eyes keeps the session, as do all declarations."""
    if route is not None and (_TALK.search(route.exchange) or _TALK.search(route.routing_key)):
        return "session"
    if method == GET:
        return "poll"
    return "write" if method in _WRITING else "session"


def kind_of_unasked(method: Method, route: Route | None) -> Kind:
    """Of what the server sends by itself: deliveries, returns, confirms and the end of a consumer matter."""
    if route is not None and (_TALK.search(route.exchange) or _TALK.search(route.routing_key)):
        return "session"
    return "poll" if method in _BRINGING else "session"
