"""The HTTP/1.1 framer finds the same messages however the bytes were cut, and changes none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.links.conftest import RecordingHost, cut, feed, goes_on_unchanged, joined, places
from unstuck.links.framers.http1 import CONTINUE, Http1Framer, HttpExchange
from unstuck.links.messages import KEPT_BYTES_MAX, Piece


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return (
        b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nX-Trailer: 1\r\n\r\n"
    )


bodies = st.one_of(
    st.binary(max_size=300), st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """A label and the bytes of a valid request."""
    method = draw(st.sampled_from(["GET", "POST", "PUT", "HEAD"]))
    body = b"" if method in ("GET", "HEAD") else draw(bodies)
    head = f"{method} /jobs HTTP/1.1\r\nHost: a\r\n".encode()
    if method in ("GET", "HEAD"):
        return f"{method} /jobs", head + b"\r\n"
    if draw(st.booleans()):
        return f"{method} /jobs", head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(
            body, draw(st.integers(1, 99))
        )
    return f"{method} /jobs", head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@st.composite
def replies(draw: st.DrawFn, method: str) -> tuple[int, bytes]:
    """A status and the bytes of a valid reply to a request with `method`."""
    status = draw(st.sampled_from([200, 204, 304, 404, 500]))
    body = draw(bodies)
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 102 Processing\r\n\r\n"]))
    head = interim + b"HTTP/1.1 %d Reason\r\n" % status
    if status in (204, 304):
        return status, head + b"\r\n"
    if method == "HEAD":
        return status, head + b"Content-Length: 999\r\n\r\n"
    if draw(st.booleans()):
        return status, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, draw(st.integers(1, 99)))
    return status, head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def messages(pieces: list[Piece]) -> list[tuple[str, int, int]]:
    """(label, offset, size) of each message, which must begin and end."""
    assert sum(piece.first for piece in pieces) == sum(piece.last for piece in pieces)
    sizes: dict[int, int] = {}
    exchanges: dict[int, HttpExchange] = {}
    for piece in pieces:
        assert isinstance(piece.exchange, HttpExchange)
        sizes[piece.exchange.number] = sizes.get(piece.exchange.number, 0) + len(piece.data)
        exchanges[piece.exchange.number] = piece.exchange
    return [(exchange.label, exchange.offset, sizes[number]) for number, exchange in exchanges.items()]


@given(st.lists(requests(), max_size=5), places)
def test_requests_do_not_depend_on_chunking(stream: list[tuple[str, bytes]], where: list[int]) -> None:
    """Pipelined requests come out whole, in order, with their labels and places, for any cuts."""
    data = b"".join(request for _, request in stream)
    pieces = feed(Http1Framer(RecordingHost()), cut(data, where))
    assert joined(pieces) == data
    offsets = [sum(len(request) for _, request in stream[:number]) for number in range(len(stream))]
    assert messages(pieces) == [
        (label, offset, len(request)) for (label, request), offset in zip(stream, offsets, strict=True)
    ]


@given(st.data(), st.lists(requests(), min_size=1, max_size=5), places)
def test_replies_do_not_depend_on_chunking(
    data: st.DataObject, stream: list[tuple[str, bytes]], where: list[int]
) -> None:
    """Each reply is paired with its request, and ends where it ends, for any cuts."""
    host = RecordingHost()
    framer = Http1Framer(host)
    sent = feed(framer, [request for _, request in stream])
    answers = [data.draw(replies(label.split()[0])) for label, _ in stream]
    whole = b"".join(reply for _, reply in answers)
    pieces = [piece for chunk in cut(whole, where) for piece in framer.reply(chunk)]
    assert joined(pieces) == whole
    assert not host.reasons
    ended = [piece.exchange for piece in pieces if piece.last]
    assert ended == [piece.exchange for piece in sent if piece.first]
    assert [exchange.reply_facts["status"] for exchange in ended if exchange] == [
        status for status, _ in answers
    ]
    assert framer.last_awaiting() is None


@given(st.binary(max_size=200), places)
def test_whatever_comes_goes_on_unchanged(data: bytes, where: list[int]) -> None:
    """Garbage passes byte by byte, in both directions."""
    goes_on_unchanged(Http1Framer(RecordingHost()), data, where)


def test_a_small_body_is_kept_for_rules(host: RecordingHost) -> None:
    """`contains` sees the target and the decoded body."""
    framer = Http1Framer(host)
    head = b"POST /jobs?x=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    (piece,) = framer.request(head + chunked(b"job j-17 is done", 5))
    assert piece.exchange is not None
    assert piece.exchange.text() == "POST /jobs?x=1\njob j-17 is done"


def test_a_large_body_streams(host: RecordingHost) -> None:
    """With a body above the limit the head goes on at once, and nothing of the body is kept."""
    framer = Http1Framer(host)
    size = KEPT_BYTES_MAX + 1
    (first,) = framer.request(b"PUT /b/k HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
    assert first.first
    assert not first.last
    (second,) = framer.request(b"x" * size)
    assert second.last
    assert second.exchange is first.exchange
    assert isinstance(first.exchange, HttpExchange)
    assert first.exchange.body == b""


def test_a_large_chunked_body_streams_and_is_not_kept(host: RecordingHost) -> None:
    """Once more than the limit has come, what came goes on; the text is empty in any chunking."""
    body = chunked(b"y" * (KEPT_BYTES_MAX + 10), 50_000)
    head = b"PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for chunks in ([head + body], [head, *cut(body, range(0, len(body), 30_000))]):
        pieces = feed(Http1Framer(host), chunks)
        assert joined(pieces) == head + body
        exchange = pieces[0].exchange
        assert isinstance(exchange, HttpExchange)
        assert exchange.body == b""


def test_an_expectation_is_answered_by_us_once(host: RecordingHost) -> None:
    """The client sends its body at once; the dependency's own 100 is not passed on a second time."""
    framer = Http1Framer(host)
    head = b"PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    assert framer.request(head) == []
    assert host.interims == [CONTINUE]
    (piece,) = feed(framer, [b"abc"])
    assert piece.data == head + b"abc"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert joined(framer.reply(CONTINUE + final)) == final
    assert host.interims == [CONTINUE]


def test_a_body_that_comes_without_waiting_is_not_answered(host: RecordingHost) -> None:
    """A client that sends its body along needs no 100."""
    framer = Http1Framer(host)
    framer.request(b"PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
    assert host.interims == []


def test_an_expectation_behind_an_unfinished_reply_is_left_to_the_dependency(host: RecordingHost) -> None:
    """Our 100 could tear the reply under way, so the head goes on and the dependency says it."""
    framer = Http1Framer(host)
    feed(framer, [b"GET / HTTP/1.1\r\n\r\n"])
    (piece,) = framer.request(b"PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert piece.first
    assert host.interims == []


def test_a_reply_without_length_ends_with_the_connection(host: RecordingHost) -> None:
    """HTTP/1.0 style: the last piece comes at the end of the stream."""
    framer = Http1Framer(host)
    feed(framer, [b"GET / HTTP/1.0\r\n\r\n"])
    assert not any(piece.last for piece in framer.reply(b"HTTP/1.0 200 OK\r\n\r\nhello"))
    assert [piece.last for piece in framer.reply_end()] == [True]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x16\x03\x01", "TLS"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not a request of HTTP/1.x"),
        (b"PING\r\n", "not a method"),
        (b"*1\r\n$4\r\nPING\r\n", "not a method"),
        (b"CONNECT a:1 HTTP/1.1\r\n\r\n", "tunnel"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "colon"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000, "longer than"),
        (b"PUT / HTTP/1.1\r\nContent-Length: ten\r\n\r\n", "not a number"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk size"),
    ],
)
def test_what_is_not_http_passes_and_is_said(host: RecordingHost, data: bytes, reason: str) -> None:
    """The framer gives up at once, once, and everything goes on."""
    framer = Http1Framer(host)
    assert joined(framer.request(data)) == data
    assert joined(framer.request(b"more")) == b"more"
    assert joined(framer.reply(b"anything")) == b"anything"
    assert len(host.reasons) == 1
    assert reason in host.reasons[0]


def test_an_upgrade_ends_framing(host: RecordingHost) -> None:
    """After 101 both directions pass."""
    framer = Http1Framer(host)
    feed(framer, [b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"])
    switch = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05hello"
    assert joined(framer.reply(switch)) == switch
    assert host.reasons == ["the connection was upgraded"]
