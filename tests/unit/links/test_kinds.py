"""What matters in a message: writes, polls that bring work, reads, and what keeps the session."""

from __future__ import annotations

import struct

import pytest

from tests.unit.links.conftest import RecordingHost, cut, joined
from unstuck.links.framers.http1 import Http1Framer, HttpExchange
from unstuck.links.framers.http1_labels import kind_of
from unstuck.links.framers.postgres import PostgresFramer
from unstuck.links.framers.postgres_frames import PostgresExchange
from unstuck.links.framers.sql_kinds import kind_of_sql
from unstuck.links.framers.sql_labels import label_of_sql
from unstuck.links.messages import weightiest


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("BEGIN", "session"),
        ("COMMIT", "write"),
        ("ROLLBACK", "session"),
        ("SET application_name = 'a'", "session"),
        ("", "session"),
        ("INSERT INTO jobs VALUES (1)", "write"),
        ("update jobs set state = 'active' where id = $1", "write"),
        ("CREATE TABLE t (id int)", "write"),
        ("NOTIFY events", "write"),
        ("LISTEN events", "poll"),
        ("SELECT * FROM jobs WHERE id IN (1, 2) AND (a OR b)", "read"),
        ("SELECT count(*), max(started_at) FROM jobs AS j (id) GROUP BY ROLLUP (a)", "read"),
        ("SELECT pg_catalog.version(), to_json(now())", "read"),
        ("SELECT n FROM generate_series(1, 3) AS t(n)", "read"),
        ("SELECT 'do_it(1)' -- and do_that(2)", "read"),
        ("SELECT * FROM jobs FOR UPDATE", "write"),
        ("SELECT * FROM jobs FOR NO KEY UPDATE", "write"),
        ("SELECT * FROM jobs LIMIT 1 FOR UPDATE SKIP LOCKED", "poll"),
        ("UPDATE jobs SET a = 1 WHERE id = (SELECT 1 FROM j FOR UPDATE SKIP LOCKED) RETURNING id", "poll"),
        ("SELECT id FROM procrastinate_fetch_job_v2($1::varchar[], $2)", "poll"),
        ("SELECT unnest(procrastinate_defer_jobs_v1($1)) AS id", "write"),
        ("SELECT * FROM pgmq.pop('jobs')", "poll"),
        ("SELECT pg_notify('a', 'b')", "write"),
        ("SELECT my.count(1)", "write"),
        ("SELECT make_job(1), generate_invoice(2)", "write"),
        ("SELECT to_dead_letter(1)", "write"),
        ("SELECT pg_create_restore_point('a')", "write"),
        ("SELECT pg_switch_wal()", "write"),
        ("SELECT date_trunc('day', now()), to_char(now(), 'x'), make_interval(secs => 1)", "read"),
        ("SELECT has_table_privilege('jobs', 'x'), string_agg(a, ',') FROM jobs", "read"),
        ("SELECT pg_advisory_lock(1), jsonb_build_object('a', 1)", "read"),
        ("WITH old AS (SELECT 1) SELECT * FROM old", "read"),
        ("WITH old AS (DELETE FROM jobs RETURNING id) SELECT * FROM old", "write"),
        ("COPY jobs FROM STDIN", "write"),
        ("COPY (SELECT a FROM jobs) TO STDOUT", "read"),
        ("BEGIN; UPDATE jobs SET a = 1", "write"),
        ("EXPLAIN SELECT 1", "read"),
        ("CALL sweep()", "write"),
        ('SELECT "weird name" (1)', "write"),
    ],
)  # fmt: skip
def test_a_statement_is_of_a_kind(sql: str, kind: str) -> None:
    """What changes rows, or calls what may, writes; what skips locked rows, or fetches by name, polls."""
    assert kind_of_sql(sql) == kind


@pytest.mark.parametrize(
    ("sql", "label"),
    [
        ("SELECT unnest(procrastinate_defer_jobs_v1($1)) AS id", "SELECT procrastinate_defer_jobs_v1"),
        ("SELECT id FROM procrastinate_fetch_job_v2($1)", "SELECT procrastinate_fetch_job_v2"),
        ("SELECT pg_sleep(1)", "SELECT"),
        ("CALL sweep(1)", "CALL sweep"),
    ],
)
def test_a_statement_without_a_table_is_called_by_its_function(sql: str, label: str) -> None:
    """Else all calls of a queue that works by functions would be one label."""
    assert label_of_sql(sql) == label


@pytest.mark.parametrize(
    ("method", "label", "kind"),
    [
        ("POST", "AmazonSQS.SendMessage", "write"),
        ("POST", "AmazonSQS.DeleteMessage", "write"),
        ("POST", "AmazonSQS.ReceiveMessage", "poll"),
        ("POST", "AmazonSQS.GetQueueUrl", "read"),
        ("PUT", "PutObject", "write"),
        ("GET", "GetObject", "read"),
        ("HEAD", "HeadObject", "read"),
        ("GET", "ListObjectsV2", "read"),
        ("GET", "GET /jobs/{id}", "read"),
        ("POST", "POST /jobs", "write"),
        ("DELETE", "DELETE /jobs/{id}", "write"),
    ],
)
def test_a_request_is_of_a_kind(method: str, label: str, kind: str) -> None:
    """By the operation where it is one of AWS, else by the method."""
    assert kind_of(method, label) == kind


RECEIVE = b"POST / HTTP/1.1\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("body", "idle"),
    [
        (b"{}", True),
        (b'{"Messages": []}', True),
        (b'{"Messages":[{"MessageId":"m","Body":"j-17"}]}', False),
        (b"<ReceiveMessageResponse><ReceiveMessageResult/></ReceiveMessageResponse>", True),
        (b"<R><ReceiveMessageResult><Message><Body>j-17</Body></Message></ReceiveMessageResult></R>", False),
        (b'{"__type": "OverLimit"}', True),
    ],
)
def test_a_receive_that_brings_no_message_is_idle(body: bytes, idle: bool) -> None:
    """In both protocols of SQS, for any cuts; what it brought can be looked into."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    for size in (1, 10, len(reply)):
        framer = Http1Framer(RecordingHost())
        (piece,) = framer.request(RECEIVE)
        exchange = piece.exchange
        assert isinstance(exchange, HttpExchange)
        framer.forwarded(exchange)
        pieces = [one for chunk in cut(reply, range(0, len(reply), size)) for one in framer.reply(chunk)]
        assert joined(pieces) == reply
        assert [one.first for one in pieces].count(True) == 1
        assert exchange.idle is idle
        assert ("j-17" in exchange.text()) is not idle


def frame(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def row(*values: bytes | None) -> bytes:
    fields = (struct.pack("!i", -1) if one is None else struct.pack("!i", len(one)) + one for one in values)
    return frame(b"D", struct.pack("!h", len(values)) + b"".join(fields))


@pytest.mark.parametrize(
    ("sql", "rows", "tag", "idle"),
    [
        ("SELECT * FROM jobs FOR UPDATE SKIP LOCKED", b"", "SELECT 0", True),
        ("SELECT * FROM jobs FOR UPDATE SKIP LOCKED", row(b"17", None), "SELECT 1", False),
        ("SELECT id FROM procrastinate_fetch_job_v2($1)", row(None, None), "SELECT 1", True),
        ("SELECT id FROM procrastinate_fetch_job_v2($1)", row(b"17", None), "SELECT 1", False),
        ("UPDATE jobs SET a = (SELECT 1 FROM t FOR UPDATE SKIP LOCKED)", b"", "UPDATE 1", False),
        ("UPDATE jobs SET a = (SELECT 1 FROM t FOR UPDATE SKIP LOCKED)", b"", "UPDATE 0", True),
        ("LISTEN events", b"", "LISTEN", True),
    ],
)
def test_a_statement_that_finds_no_work_is_idle(sql: str, rows: bytes, tag: str, idle: bool) -> None:
    """No row, or one of nulls only; known at the first piece of the reply, for any cuts."""
    reply = frame(b"T", b"\0\0") + rows + frame(b"C", tag.encode() + b"\0") + frame(b"Z", b"I")
    for size in (1, 7, len(reply)):
        framer = PostgresFramer(RecordingHost())
        startup = struct.pack("!II", 8 + 14, 196608) + b"user\0postgres\0"
        (opened,) = framer.request(startup)
        assert opened.exchange is not None
        framer.forwarded(opened.exchange)
        framer.reply(frame(b"R", b"\0\0\0\0") + frame(b"Z", b"I"))
        (piece,) = framer.request(frame(b"Q", sql.encode() + b"\0"))
        exchange = piece.exchange
        assert isinstance(exchange, PostgresExchange)
        assert exchange.kind == "poll"
        framer.forwarded(exchange)
        pieces = [one for chunk in cut(reply, range(0, len(reply), size)) for one in framer.reply(chunk)]
        assert joined(pieces) == reply
        assert [one.first for one in pieces].count(True) == 1
        assert exchange.idle is idle


def test_the_weightiest_kind_decides() -> None:
    """Of nothing at all: it keeps the session."""
    assert weightiest(["session", "read", "write", "poll"]) == "write"
    assert weightiest(["session", "read", "poll"]) == "poll"
    assert weightiest([]) == "session"
