"""The AMQP framer finds the same messages however the bytes were cut, and changes none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.links.conftest import RecordingHost, cut, feed, goes_on_unchanged, joined, places
from unstuck.links.framers.amqp import AmqpExchange, AmqpFramer
from unstuck.links.framers.amqp_frames import PROTOCOL, closing, method_frame
from unstuck.links.framers.amqp_methods import CHANNEL_CLOSE, CHANNEL_CLOSE_OK
from unstuck.links.messages import KEPT_BYTES_MAX, Piece


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack("!BHI", kind, channel, len(payload)) + payload + b"\xce"


def short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def content(channel: int, body: bytes, *, size: int = 100) -> bytes:
    header = frame(2, channel, struct.pack("!HHQH", 60, 0, len(body), 0))
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return header + b"".join(frame(3, channel, part) for part in parts)


def publish(key: str, body: bytes = b"{}", *, exchange: str = "", channel: int = 1, size: int = 100) -> bytes:
    args = b"\0\0" + short(exchange) + short(key) + b"\0"
    return method_frame(channel, (60, 40), args) + content(channel, body, size=size)


def deliver(key: str, tag: int, body: bytes = b"{}", *, channel: int = 1) -> bytes:
    args = short("ctag1.x") + struct.pack("!Q?", tag, False) + short("") + short(key)
    return method_frame(channel, (60, 60), args) + content(channel, body)


def ack(tag: int, *, several: bool = False, channel: int = 1, method: int = 80) -> bytes:
    return method_frame(channel, (60, method), struct.pack("!QB", tag, several))


def declare(name: str, *, no_wait: bool = False, channel: int = 1) -> bytes:
    return method_frame(channel, (50, 10), b"\0\0" + short(name) + bytes([16 * no_wait]) + b"\0\0\0\0")


HEARTBEAT = frame(8, 0, b"")
START_OK = method_frame(0, (10, 11), b"\0\0\0\0" + short("PLAIN") + b"\0\0\0\7\0guest\0" + short("en_US"))
OPENING = START_OK + method_frame(0, (10, 31), b"\0" * 8) + method_frame(0, (10, 40), short("/") + b"\0\0")
OPENED = (
    method_frame(0, (10, 10), b"\0\x09")
    + method_frame(0, (10, 30), b"\0" * 8)
    + method_frame(0, (10, 41), b"\0")
)
CHANNEL = method_frame(1, (20, 10), b"\0")
CHANNEL_OK = method_frame(1, (20, 11), b"\0\0\0\0")

bodies = st.one_of(
    st.binary(max_size=350), st.sampled_from([b"", b"\xce", b"\x01\0\1\0\0\0\4", b"AMQP\0\0\x09\1"])
)
messages = st.one_of(
    bodies.map(lambda body: ("basic.publish celery", publish("celery", body))),
    bodies.map(lambda body: ("basic.publish logs all", publish("all", body, exchange="logs", channel=2))),
    st.just(("basic.ack", ack(7))),
    st.just(("queue.declare celery", declare("celery", no_wait=True))),
    st.just(("heartbeat", HEARTBEAT)),
)
unasked = st.one_of(
    st.tuples(bodies, st.integers(1, 999)).map(
        lambda two: ("basic.deliver celery", deliver("celery", two[1], two[0]))
    ),
    st.just(("basic.ack", ack(1))),
    st.just(("basic.cancel", method_frame(1, (60, 30), short("c") + b"\1"))),
    st.just(("heartbeat", HEARTBEAT)),
)


def begun(pieces: list[Piece]) -> list[AmqpExchange]:
    return [piece.exchange for piece in pieces if piece.first and isinstance(piece.exchange, AmqpExchange)]


def opened(host: RecordingHost) -> AmqpFramer:
    """A framer with an open connection and channel 1."""
    framer = AmqpFramer(host)
    feed(framer, [PROTOCOL + OPENING + CHANNEL])
    framer.reply(OPENED + CHANNEL_OK)
    assert not host.reasons
    return framer


@given(st.lists(messages, max_size=6), places)
def test_requests_do_not_depend_on_chunking(stream: list[tuple[str, bytes]], where: list[int]) -> None:
    """Method, header and bodies come out as one message with its label, for any cuts."""
    data = PROTOCOL + b"".join(message for _, message in stream)
    host = RecordingHost()
    pieces = feed(AmqpFramer(host), cut(data, where))
    assert joined(pieces) == data
    assert not host.reasons
    found = begun(pieces)
    assert [exchange.label for exchange in found] == ["AMQP", *(label for label, _ in stream)]
    ends = [len(PROTOCOL)]
    for _, message in stream:
        ends.append(ends[-1] + len(message))
    assert [exchange.offset for exchange in found] == [0, *ends[:-1]]


@given(st.lists(unasked, max_size=6), places)
def test_what_the_server_sends_by_itself_does_not_depend_on_chunking(
    stream: list[tuple[str, bytes]], where: list[int]
) -> None:
    """Deliveries and confirms are messages of their own, for any cuts."""
    data = b"".join(message for _, message in stream)
    host = RecordingHost()
    framer = opened(host)
    pieces = [piece for chunk in cut(data, where) for piece in framer.reply(chunk)]
    assert joined(pieces) == data
    assert not host.reasons
    assert [exchange.label for exchange in begun(pieces)] == [label for label, _ in stream]
    assert [piece.exchange for piece in pieces if piece.last] == begun(pieces)


@given(st.binary(max_size=200), places, st.booleans())
def test_whatever_comes_goes_on_unchanged(data: bytes, where: list[int], in_session: bool) -> None:
    """Garbage passes byte by byte, in both directions, at the beginning and in a session."""
    host = RecordingHost()
    goes_on_unchanged(opened(host) if in_session else AmqpFramer(host), data, where)


@pytest.mark.parametrize("chunk_size", [1, 50, 10_000])
def test_replies_are_paired_by_channel(host: RecordingHost, chunk_size: int) -> None:
    """In whatever order the channels answer; what is sent without waiting has no reply."""
    framer = opened(host)
    asked = (
        declare("a")
        + declare("b", channel=2)
        + declare("c", no_wait=True)
        + method_frame(1, (60, 10), b"\0" * 7)
    )
    a, b, c, qos = begun(feed(framer, [asked]))
    assert [one.expects_reply for one in (a, b, c, qos)] == [True, True, False, True]
    declared = method_frame(2, (50, 11), short("b") + b"\0" * 8)
    answers = declared + method_frame(1, (50, 11), short("a") + b"\0" * 8) + method_frame(1, (60, 11))
    pieces = [
        piece for chunk in cut(answers, range(0, len(answers), chunk_size)) for piece in framer.reply(chunk)
    ]
    assert [piece.exchange for piece in pieces] == [b, a, qos]


def test_interleaved_channels_change_places_and_lose_nothing(host: RecordingHost) -> None:
    """The message that is whole first goes on first; each goes on in one piece."""
    framer = opened(host)
    one, two = publish("one", b"1" * 250), publish("two", b"2" * 30, channel=2)
    first = method_frame(1, (60, 40), b"\0\0" + short("") + short("one") + b"\0")
    pieces = feed(framer, [first + two + one[len(first) :]])
    assert [exchange.label for exchange in begun(pieces)] == ["basic.publish two", "basic.publish one"]
    assert [piece.data for piece in pieces] == [two, one]


@pytest.mark.parametrize("chunk_size", [1000, KEPT_BYTES_MAX, 10 * KEPT_BYTES_MAX])
def test_a_large_message_streams_and_lets_none_pass(host: RecordingHost, chunk_size: int) -> None:
    """Judged at its header; what comes on other channels meanwhile waits for its end."""
    framer = opened(host)
    large = publish("celery", b"x" * (2 * KEPT_BYTES_MAX), size=130_000)
    other = publish("other", channel=2)
    middle = large.index(b"\xce\x03", 200_000) + 1
    data = large[:middle] + other + HEARTBEAT + large[middle:] + publish("last")
    pieces = feed(framer, cut(data, range(0, len(data), chunk_size)))
    assert joined(pieces) == large + other + HEARTBEAT + publish("last")
    labels = [exchange.label for exchange in begun(pieces)]
    assert labels == ["basic.publish celery", "basic.publish other", "heartbeat", "basic.publish last"]
    assert [piece.exchange.label for piece in pieces if piece.last and piece.exchange] == labels


@pytest.mark.parametrize(
    ("data", "label", "kind"),
    [
        (publish("celery"), "basic.publish celery", "write"),
        (publish("celery", exchange="celery"), "basic.publish celery", "write"),
        (
            publish("worker.heartbeat", exchange="celeryev"),
            "basic.publish celeryev worker.heartbeat",
            "session",
        ),
        (publish("0192f0c1-3b5e-7a30-8000-00000000000a"), "basic.publish *", "write"),
        (publish("amq.gen-JzTY20BRgKO-HjmUJj0wLg"), "basic.publish amq.gen-*", "write"),
        (declare("celery"), "queue.declare celery", "session"),
        (method_frame(1, (50, 30), b"\0\0" + short("celery") + b"\0"), "queue.purge celery", "write"),
        (method_frame(1, (60, 70), b"\0\0" + short("celery") + b"\0"), "basic.get celery", "poll"),
        (method_frame(1, (90, 20)), "tx.commit", "write"),
        (method_frame(1, (85, 10), b"\0"), "confirm.select", "session"),
        (method_frame(1, (60, 99)), "method 60.99", "session"),
        (HEARTBEAT, "heartbeat", "session"),
    ],
)
def test_a_request_is_called_by_its_method_and_queue(
    host: RecordingHost, data: bytes, label: str, kind: str
) -> None:
    """Without identities, and of a kind that says what matters."""
    (exchange,) = begun(feed(opened(host), [data]))
    assert (exchange.label, exchange.kind) == (label, kind)


def test_an_ack_is_called_by_what_it_acknowledges(host: RecordingHost) -> None:
    """The queue of the delivery, and of all before it where several are meant."""
    framer = opened(host)
    framer.reply(deliver("a", 1) + deliver("b", 2) + deliver("c", 3))
    labels = [one.label for one in begun(feed(framer, [ack(1) + ack(3, several=True) + ack(2)]))]
    assert labels == ["basic.ack a", "basic.ack c", "basic.ack"]


def test_a_confirm_is_called_by_what_was_published(host: RecordingHost) -> None:
    """By its number on the channel; it matters, since the publisher waits for it."""
    framer = opened(host)
    feed(framer, [method_frame(1, (85, 10), b"\0") + publish("a") + publish("b")])
    confirmed = framer.reply(method_frame(1, (85, 11)) + ack(2, several=True))[-1].exchange
    assert confirmed is not None
    assert (confirmed.label, confirmed.kind, confirmed.idle) == ("basic.ack b", "poll", False)


def test_a_get_that_finds_nothing_is_idle(host: RecordingHost) -> None:
    """And one that does is not."""
    framer = opened(host)
    get = method_frame(1, (60, 70), b"\0\0" + short("celery") + b"\0")
    empty, found = begun(feed(framer, [get + get]))
    framer.reply(method_frame(1, (60, 72), short("")))
    message = method_frame(
        1, (60, 71), struct.pack("!Q?", 1, False) + short("") + short("celery") + b"\0\0\0\0"
    )
    framer.reply(message + content(1, b"job-17"))
    assert (empty.idle, found.idle) == (True, False)
    (acked,) = begun(feed(framer, [ack(1)]))
    assert acked.label == "basic.ack celery"


def test_a_closed_channel_answers_what_waits_on_it(host: RecordingHost) -> None:
    """The server has no other words for an error; nothing else on the channel is answered any more."""
    framer = opened(host)
    asked, _ = begun(feed(framer, [declare("a") + declare("b")]))
    (piece,) = framer.reply(closing(1, CHANNEL_CLOSE, 406, "PRECONDITION_FAILED"))
    assert piece.exchange is asked
    assert asked.reply_facts["error"] == "406 PRECONDITION_FAILED"


def test_a_channel_that_we_close_is_silent_until_both_sides_have_agreed(host: RecordingHost) -> None:
    """What client and server have under way on it goes nowhere; other channels go on."""
    framer = opened(host)
    (hit, behind) = begun(framer.request(publish("a") + publish("b")))
    to_server = framer.close_channel(hit)
    assert not framer.admits(behind)
    assert framer.reply(deliver("a", 1)) == []
    assert framer.reply(deliver("a", 1, channel=2)) != []
    assert framer.reply(method_frame(1, CHANNEL_CLOSE_OK)) == [Piece(hit, b"", last=True)]
    consent, again = begun(framer.request(method_frame(1, CHANNEL_CLOSE_OK) + CHANNEL))
    assert not framer.admits(consent)
    assert framer.admits(again)
    framer.forwarded(again)
    assert joined(framer.reply(CHANNEL_OK)) == CHANNEL_OK
    assert to_server.startswith(b"\1\0\1")


def test_a_copy_opens_a_connection_like_its_own(host: RecordingHost) -> None:
    """Only publishing has a meaning there; the end of the channel says that it was taken."""
    framer = opened(host)
    (hit,) = begun(framer.request(publish("a")))
    data = framer.copy_of(hit, publish("a"))
    assert data is not None
    assert data.startswith(PROTOCOL + OPENING)
    labels = [one.label for one in begun(AmqpFramer(host).request(data))]
    assert labels[-3:] == ["channel.open", "basic.publish a", "channel.close"]
    (acked,) = begun(framer.request(ack(1)))
    assert framer.copy_of(acked, ack(1)) is None


def test_no_password_is_told(host: RecordingHost) -> None:
    """What a client says of itself goes into no event."""
    _, start, *_ = begun(feed(AmqpFramer(host), [PROTOCOL + OPENING]))
    assert start.text() == "connection.start-ok"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x16\x03\x01", "TLS"),
        (b"AMQP\0\1\0\0", "do not name"),
        (b"GET / HTTP/1.1\r\n", "do not name"),
        (PROTOCOL + b"\x09\0\0\0\0\0\0\xce", "type 0x09"),
        (PROTOCOL + b"\x01\0\0\0\0\0\4\0\0\0\0\0", "where it says"),
        (PROTOCOL + b"\x01\0\0\xff\xff\xff\xff", "bytes on channel"),
        (PROTOCOL + frame(3, 1, b"body"), "without its method"),
        (PROTOCOL + method_frame(1, (60, 40), b"\0\0\0\0\0") + declare("b"), "in the middle"),
    ],
)
def test_what_is_not_amqp_passes_and_is_said(host: RecordingHost, data: bytes, reason: str) -> None:
    """The framer gives up at once, once, and everything goes on."""
    framer = AmqpFramer(host)
    assert joined(framer.request(data)) == data
    assert joined(framer.request(b"more")) == b"more"
    assert joined(framer.reply(b"anything")) == b"anything"
    assert len(host.reasons) == 1
    assert reason in host.reasons[0]
