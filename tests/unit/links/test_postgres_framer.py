"""The PostgreSQL framer finds the same exchanges however the bytes were cut, and changes none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.links.conftest import RecordingHost, cut, feed, goes_on_unchanged, joined, places
from unstuck.links.framers.postgres import PostgresFramer
from unstuck.links.framers.postgres_frames import PostgresExchange
from unstuck.links.messages import KEPT_BYTES_MAX, Piece


def frame(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def query(sql: str) -> bytes:
    return frame(b"Q", sql.encode() + b"\0")


def parse(name: str, sql: str) -> bytes:
    return frame(b"P", f"{name}\0{sql}\0".encode() + b"\0\0")


def bind(name: str, value: bytes = b"v", portal: str = "") -> bytes:
    return frame(
        b"B", f"{portal}\0{name}\0".encode() + b"\0\0\0\1" + struct.pack("!I", len(value)) + value + b"\0\0"
    )


def execute(portal: str = "") -> bytes:
    return frame(b"E", f"{portal}\0".encode() + b"\0\0\0\0")


SYNC, FLUSH, TERMINATE, DESCRIBE = frame(b"S"), frame(b"H"), frame(b"X"), frame(b"D", b"P\0")
STARTUP = struct.pack("!II", 8 + 14, 196608) + b"user\0postgres\0"
SSL_REQUEST = struct.pack("!II", 8, 80877103)
READY = frame(b"Z", b"I")


def complete(tag: str) -> bytes:
    return frame(b"C", tag.encode() + b"\0")


def failed(code: str) -> bytes:
    return frame(b"E", b"SERROR\0C" + code.encode() + b"\0Mno\0\0")


statements = st.sampled_from(
    ["UPDATE jobs SET a = 1", "COMMIT", "SELECT 1 FROM jobs", "INSERT INTO outbox VALUES ($1)"]
)
LABELS = {
    "UPDATE jobs SET a = 1": "UPDATE jobs",
    "COMMIT": "COMMIT",
    "SELECT 1 FROM jobs": "SELECT jobs",
    "INSERT INTO outbox VALUES ($1)": "INSERT outbox",
}
exchanges = st.one_of(
    statements.map(lambda sql: (LABELS[sql], query(sql))),
    statements.map(lambda sql: (LABELS[sql], parse("", sql) + bind("") + DESCRIBE + execute() + SYNC)),
    statements.map(lambda sql: ("PREPARE " + LABELS[sql], parse("s1", sql) + SYNC)),
    st.tuples(statements, statements).map(
        lambda two: ("; ".join(LABELS[sql] for sql in two),
                     b"".join(parse("", sql) + bind("") + execute() for sql in two) + SYNC)
    ),
    st.just(("SYNC", SYNC)),
    st.just(("CLOSE", frame(b"C", b"Ss1\0") + SYNC)),
)  # fmt: skip
rows = st.lists(st.binary(max_size=60).map(lambda body: frame(b"D", body)), max_size=4).map(b"".join)
replies = st.tuples(rows, st.sampled_from([complete("UPDATE 1"), failed("40001")])).map(
    lambda parts: parts[0] + parts[1] + READY
)


def begun(pieces: list[Piece]) -> list[PostgresExchange]:
    return [
        piece.exchange for piece in pieces if piece.first and isinstance(piece.exchange, PostgresExchange)
    ]


def started(host: RecordingHost) -> PostgresFramer:
    """A framer with an open session."""
    framer = PostgresFramer(host)
    feed(framer, [STARTUP])
    framer.reply(frame(b"R", b"\0\0\0\0") + READY)
    return framer


@given(st.lists(exchanges, max_size=6), places)
def test_requests_do_not_depend_on_chunking(stream: list[tuple[str, bytes]], where: list[int]) -> None:
    """Simple, extended and pipelined exchanges come out whole with their labels, for any cuts."""
    data = STARTUP + b"".join(message for _, message in stream) + TERMINATE
    pieces = feed(PostgresFramer(RecordingHost()), cut(data, where))
    assert joined(pieces) == data
    found = begun(pieces)
    assert [exchange.label for exchange in found] == ["STARTUP", *(label for label, _ in stream)]
    ends = [len(STARTUP)]
    for _, message in stream:
        ends.append(ends[-1] + len(message))
    assert [exchange.offset for exchange in found] == [0, *ends[:-1]]


@given(st.lists(st.tuples(exchanges, replies), min_size=1, max_size=5), places)
def test_replies_do_not_depend_on_chunking(
    stream: list[tuple[tuple[str, bytes], bytes]], where: list[int]
) -> None:
    """A reply ends with ReadyForQuery, for any cuts, and says how the statement ended."""
    host = RecordingHost()
    framer = started(host)
    sent = begun(feed(framer, [message for (_, message), _ in stream]))
    notice = frame(b"A", b"\0\0\0\1channel\0payload\0")
    whole = b"".join(reply for _, reply in stream) + notice
    pieces = [piece for chunk in cut(whole, where) for piece in framer.reply(chunk)]
    assert joined(pieces) == whole
    assert [piece.exchange for piece in pieces if piece.last] == sent
    assert pieces[-1].exchange is None
    for exchange, (_, reply) in zip(sent, stream, strict=True):
        expected = {"sqlstate": "40001"} if b"40001" in reply else {"tag": "UPDATE 1"}
        assert exchange.reply_facts == expected
    assert not host.reasons


@given(st.binary(max_size=200), places, st.booleans())
def test_whatever_comes_goes_on_unchanged(data: bytes, where: list[int], in_session: bool) -> None:
    """Garbage passes byte by byte, in both directions, before and in a session."""
    host = RecordingHost()
    goes_on_unchanged(started(host) if in_session else PostgresFramer(host), data, where)


def test_a_prepared_statement_is_known_by_its_name(host: RecordingHost) -> None:
    """Bind and Execute of a name that was parsed earlier get the label of its SQL."""
    framer = started(host)
    feed(framer, [parse("_pg3_0", "UPDATE jobs SET state = $1") + SYNC])
    (exchange,) = begun(feed(framer, [bind("_pg3_0", b"job j-17") + execute() + SYNC]))
    assert exchange.label == "UPDATE jobs"
    assert "UPDATE jobs SET state = $1" in exchange.text()
    assert "job j-17" in exchange.text()


def test_a_statement_that_was_never_seen_is_called_by_its_name(host: RecordingHost) -> None:
    """As after PREPARE in SQL."""
    (exchange,) = begun(feed(started(host), [bind("mine") + execute() + SYNC]))
    assert exchange.label == "EXECUTE"
    assert exchange.sql == "EXECUTE mine"


@pytest.mark.parametrize("chunk_size", [1000, KEPT_BYTES_MAX, 10 * KEPT_BYTES_MAX])
def test_a_large_exchange_streams_with_the_same_label(host: RecordingHost, chunk_size: int) -> None:
    """A parameter above the limit: judged early, whatever the chunks, and ended by its Sync."""
    framer = started(host)
    message = (
        parse("", "INSERT INTO blobs VALUES ($1)") + bind("", b"x" * (2 * KEPT_BYTES_MAX)) + execute() + SYNC
    )
    data = message + query("COMMIT")
    pieces = feed(framer, cut(data, range(0, len(data), chunk_size)))
    assert joined(pieces) == data
    assert [exchange.label for exchange in begun(pieces)] == ["INSERT blobs", "COMMIT"]
    assert [piece.exchange.number for piece in pieces if piece.last and piece.exchange] == [2, 3]


def test_a_flush_ends_a_message_without_a_reply_of_its_own(host: RecordingHost) -> None:
    """Drivers that prepare with Flush wait for the answer before they send Sync."""
    framer = started(host)
    pieces = feed(framer, [parse("a", "UPDATE jobs SET a = 1") + FLUSH])
    (prepared,) = begun(pieces)
    assert (prepared.label, prepared.expects_reply, pieces[-1].last) == ("PREPARE UPDATE jobs", False, True)
    assert joined(framer.reply(frame(b"1"))) == frame(b"1")
    (executed,) = begun(feed(framer, [bind("a") + execute() + SYNC]))
    assert executed.label == "UPDATE jobs"


def test_copy_in_belongs_to_the_query_that_began_it(host: RecordingHost) -> None:
    """Copy data is no message of its own; the exchange ends with ReadyForQuery."""
    framer = started(host)
    (copy,) = begun(feed(framer, [query("COPY jobs FROM STDIN")]))
    framer.reply(frame(b"G", b"\0\0\0"))
    data = frame(b"d", b"1\tx\n") * 1000 + frame(b"c")
    pieces = feed(framer, cut(data, range(0, len(data), 777)))
    assert joined(pieces) == data
    assert begun(pieces) == []
    assert [piece.exchange for piece in framer.reply(complete("COPY 1000") + READY)] == [copy]


def test_the_sync_after_an_extended_copy_is_no_message(host: RecordingHost) -> None:
    """The server ignores the Sync during the copy, and answers the one behind it."""
    framer = started(host)
    feed(framer, [parse("", "COPY jobs FROM STDIN") + bind("") + execute() + SYNC])
    framer.reply(frame(b"G", b"\0\0\0"))
    assert begun(feed(framer, [frame(b"d", b"1\n") + frame(b"c") + SYNC])) == []
    framer.reply(complete("COPY 1") + READY)
    assert [exchange.label for exchange in begun(feed(framer, [SYNC]))] == ["SYNC"]


def test_a_refused_encryption_request_leaves_the_session_framed(host: RecordingHost) -> None:
    """libpq asks, the server says N, and the session goes on in the clear."""
    framer = PostgresFramer(host)
    assert joined(framer.request(SSL_REQUEST)) == SSL_REQUEST
    assert joined(framer.reply(b"N")) == b"N"
    assert [exchange.label for exchange in begun(feed(framer, [STARTUP]))] == ["STARTUP"]
    assert not host.reasons


def test_an_accepted_encryption_request_ends_framing(host: RecordingHost) -> None:
    """After S everything passes, and it is said."""
    framer = PostgresFramer(host)
    framer.request(SSL_REQUEST)
    assert joined(framer.reply(b"S")) == b"S"
    assert joined(framer.request(b"\x16\x03\x01")) == b"\x16\x03\x01"
    assert host.reasons == ["encrypted from here on"]


def test_a_cancel_request_passes_under_its_own_label(host: RecordingHost) -> None:
    """It is a connection of its own, and no failure of framing."""
    data = struct.pack("!IIII", 16, 80877102, 4711, 42)
    pieces = feed(PostgresFramer(host), [data])
    assert joined(pieces) == data
    assert [exchange.label for exchange in begun(pieces)] == ["CANCEL"]
    assert not host.reasons


def test_the_transaction_state_follows_the_server(host: RecordingHost) -> None:
    """Injected errors need to know whether a transaction is open."""
    framer = started(host)
    feed(framer, [query("BEGIN")])
    framer.reply(complete("BEGIN") + frame(b"Z", b"T"))
    assert framer.transaction_state == b"T"


def test_direct_tls_is_not_framed(host: RecordingHost) -> None:
    """A ClientHello instead of a start-up packet passes at once."""
    assert joined(PostgresFramer(host).request(b"\x16\x03\x01")) == b"\x16\x03\x01"
    assert host.reasons == ["TLS"]
