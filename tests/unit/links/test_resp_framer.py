"""The RESP framer finds the same messages however the bytes were cut, and changes none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.links.conftest import RecordingHost, cut, feed, goes_on_unchanged, joined, places
from unstuck.links.framers.resp import DISCARD, RespExchange, RespFramer
from unstuck.links.messages import KEPT_BYTES_MAX, Piece


def command(*args: bytes | str) -> bytes:
    words = [arg.encode() if isinstance(arg, str) else arg for arg in args]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


values = st.one_of(
    st.binary(max_size=80), st.sampled_from([b"\r\n", b"*1\r\n$4\r\nEXEC\r\n", b"", b"$-1\r\n", b"MULTI"])
)
commands = st.one_of(
    values.map(lambda value: ("LPUSH celery", command("LPUSH", "celery", value))),
    values.map(
        lambda value: ("SET celery-task-meta-*", command("set", f"celery-task-meta-{len(value)}", value))
    ),
    st.just(("PING", b"PING\r\n")),
    st.just(("INCR n", b"incr n\n")),
    st.lists(values, max_size=4).map(
        lambda some: (
            "EXEC: RPUSH q" if some else "EXEC",
            command("MULTI") + b"".join(command("RPUSH", "q", one) for one in some) + command("EXEC"),
        )
    ),
    st.just(("DISCARD", command("MULTI") + command("GET", "a") + command("DISCARD"))),
)
nested = st.recursive(
    st.one_of(
        values.map(bulk),
        st.sampled_from(
            [b"+OK\r\n", b"-ERR no\r\n", b":7\r\n", b"$-1\r\n", b"*-1\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n",
             b"(12345678901234567890\r\n", b"!5\r\nERR x\r\n", b"=7\r\ntxt:abc\r\n", b"*0\r\n"]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda some: b"*%d\r\n" % len(some) + b"".join(some)),
        st.lists(inner, max_size=3).map(lambda some: b"~%d\r\n" % len(some) + b"".join(some)),
        st.lists(st.tuples(inner, inner), max_size=3).map(
            lambda some: b"%%%d\r\n" % len(some) + b"".join(key + value for key, value in some)
        ),
        st.tuples(inner, inner).map(lambda two: b"|1\r\n+key\r\n" + two[0] + two[1]),
    ),
    max_leaves=8,
)  # fmt: skip
pushes = st.sampled_from(
    [b"", b"", b">2\r\n+message\r\n$2\r\nhi\r\n", b">3\r\n+invalidate\r\n*1\r\n+a\r\n:1\r\n"]
)


def begun(pieces: list[Piece]) -> list[RespExchange]:
    """The messages that a lane judges."""
    return [
        piece.exchange
        for piece in pieces
        if piece.first and isinstance(piece.exchange, RespExchange) and not piece.exchange.is_part
    ]


def only(data: bytes) -> RespExchange:
    (exchange,) = begun(feed(RespFramer(RecordingHost()), [data]))
    return exchange


@given(st.lists(commands, max_size=6), places)
def test_requests_do_not_depend_on_chunking(stream: list[tuple[str, bytes]], where: list[int]) -> None:
    """Pipelines, inline commands and transactions come out whole with their labels, for any cuts."""
    data = b"".join(message for _, message in stream)
    host = RecordingHost()
    pieces = feed(RespFramer(host), cut(data, where))
    assert joined(pieces) == data
    assert not host.reasons
    found = begun(pieces)
    assert [exchange.label for exchange in found] == [label for label, _ in stream]
    assert [exchange.number for exchange in found] == list(range(1, len(stream) + 1))
    assert sum(piece.first for piece in pieces) == sum(piece.last for piece in pieces)


@given(st.lists(st.tuples(nested, pushes), min_size=1, max_size=5), places)
def test_replies_do_not_depend_on_chunking(stream: list[tuple[bytes, bytes]], where: list[int]) -> None:
    """Each reply is paired with its command, and pushes between them with none, for any cuts."""
    host = RecordingHost()
    framer = RespFramer(host)
    sent = begun(feed(framer, [command("GET", "a") * len(stream)]))
    whole = b"".join(push + reply for reply, push in stream)
    pieces = [piece for chunk in cut(whole, where) for piece in framer.reply(chunk)]
    assert joined(pieces) == whole
    assert not host.reasons
    assert [piece.exchange for piece in pieces if piece.last] == sent
    assert [piece.exchange for piece in pieces if piece.first] == sent
    for exchange, (reply, _) in zip(sent, stream, strict=True):
        paired = b"".join(piece.data for piece in pieces if piece.exchange is exchange)
        assert paired == reply
        assert exchange.reply_facts["reply"] == reply.split(b"\r\n")[0].decode()
    assert framer.last_awaiting() is None


@given(st.binary(max_size=200), places)
def test_whatever_comes_goes_on_unchanged(data: bytes, where: list[int]) -> None:
    """Garbage passes byte by byte, in both directions."""
    goes_on_unchanged(RespFramer(RecordingHost()), data, where)


@pytest.mark.parametrize("chunk_size", [1000, KEPT_BYTES_MAX, 10 * KEPT_BYTES_MAX])
def test_a_large_value_streams_under_the_same_label(host: RecordingHost, chunk_size: int) -> None:
    """Judged before the value has come, whatever the chunks, and ended by its last byte."""
    large = command("SET", "blob", b"x" * (2 * KEPT_BYTES_MAX), "EX", "60")
    data = large + command("GET", "blob")
    framer = RespFramer(host)
    pieces = feed(framer, cut(data, range(0, len(data), chunk_size)))
    assert joined(pieces) == data
    first, second = begun(pieces)
    assert (first.label, second.label) == ("SET blob", "GET blob")
    assert first.text() == "SET blob"
    assert second.offset == len(large)
    assert [piece.exchange for piece in pieces if piece.last] == [first, second]
    assert framer.copy_of(first, b"") is None


def test_many_small_arguments_are_kept_up_to_the_limit() -> None:
    """The text of a large command is the same in any chunking."""
    data = command("RPUSH", "q", *[b"%05d" % number for number in range(40_000)])
    texts = set()
    for size in (7000, len(data)):
        framer = RespFramer(RecordingHost())
        pieces = feed(framer, cut(data, range(0, len(data), size)))
        assert joined(pieces) == data
        (exchange,) = begun(pieces)
        texts.add(exchange.text())
    assert len(texts) == 1
    assert exchange.text().startswith("RPUSH q 00000 00001")


def test_a_large_reply_goes_on_as_it_comes(host: RecordingHost) -> None:
    """Nothing waits for the whole of it."""
    framer = RespFramer(host)
    feed(framer, [command("GET", "blob")])
    reply = bulk(b"y" * 100_000)
    pieces = framer.reply(reply[:1000])
    assert joined(pieces) == reply[:1000]
    assert pieces[0].first
    assert framer.reply(reply[1000:])[-1].last


def test_a_transaction_is_judged_at_exec(host: RecordingHost) -> None:
    """MULTI and what is queued go on at once, unjudged; EXEC is named by all of it, each once."""
    framer = RespFramer(host)
    queued = command("MULTI") + command("HSET", "rq:job:17", "status", "queued") * 3
    pieces = feed(framer, [queued])
    assert joined(pieces) == queued
    assert begun(pieces) == []
    (execution,) = begun(feed(framer, [command("RPUSH", "rq:queue:default", "17") + command("EXEC")]))
    assert execution.label == "EXEC: HSET rq:job:*, RPUSH rq:queue:default"
    assert execution.kind == "write"
    assert "HSET rq:job:17 status queued" in execution.text()
    answers = framer.reply(b"+OK\r\n" + b"+QUEUED\r\n" * 4 + b"*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n")
    assert [piece.exchange for piece in answers][-1] is execution
    assert all(piece.exchange is not None and piece.exchange.is_part for piece in answers[:-1])


def test_a_copy_of_a_transaction_is_all_of_it_in_a_session_like_its_own(host: RecordingHost) -> None:
    """AUTH and SELECT come first; EXEC alone would mean nothing."""
    framer = RespFramer(host)
    opening = command("HELLO", "3", "AUTH", "u", "p") + command("SELECT", "2")
    transaction = command("MULTI") + command("LPUSH", "celery", "x") + command("EXEC")
    *_, execution = begun(feed(framer, [opening + transaction]))
    assert framer.copy_of(execution, command("EXEC")) == opening + transaction


def test_a_transaction_whose_exec_we_answer_is_discarded(host: RecordingHost) -> None:
    """The server's reply to our DISCARD does not reach the client."""
    framer = RespFramer(host)
    feed(framer, [command("MULTI") + command("LPUSH", "celery", "x")])
    framer.request(command("EXEC"))  # not forwarded: a rule has answered it
    assert framer.discard() == DISCARD
    assert joined(framer.reply(b"+OK\r\n+QUEUED\r\n+OK\r\n")) == b"+OK\r\n+QUEUED\r\n"
    assert framer.last_awaiting() is None


@pytest.mark.parametrize(
    ("poll", "reply", "idle"),
    [
        (command("BRPOP", "celery", "1"), b"*-1\r\n", True),
        (command("BRPOP", "celery", "1"), b"_\r\n", True),
        (command("BRPOP", "celery", "1"), b"*2\r\n$6\r\ncelery\r\n$3\r\njob\r\n", False),
        (command("BRPOP", "celery", "1"), b"-LOADING wait\r\n", True),
        (command("LMOVE", "a", "b", "LEFT", "RIGHT"), b"$-1\r\n", True),
        (command("LMOVE", "a", "b", "LEFT", "RIGHT"), b"$0\r\n\r\n", False),
        (command("ZPOPMIN", "q"), b"*0\r\n", True),
        (command("XAUTOCLAIM", "s", "g", "c", "1", "0-0"), b"*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n", True),
        (
            command("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0"),
            b"*1\r\n*2\r\n$1\r\ns\r\n*0\r\n",
            True,
        ),
        (command("EVALSHA", "a" * 40, "1", "dramatiq", "fetch", "17"), b"*0\r\n", True),
        (command("EVALSHA", "a" * 40, "1", "dramatiq", "fetch", "17"), b"*1\r\n$2\r\n{}\r\n", False),
    ],
)
def test_a_poll_that_brings_no_work_is_idle(poll: bytes, reply: bytes, idle: bool) -> None:
    """Known when the first piece of the reply comes, for any cuts."""
    for size in (1, 3, len(reply)):
        framer = RespFramer(RecordingHost())
        (exchange,) = begun(feed(framer, [poll]))
        assert exchange.kind == "poll"
        pieces = [piece for chunk in cut(reply, range(0, len(reply), size)) for piece in framer.reply(chunk)]
        assert joined(pieces) == reply
        assert len([piece for piece in pieces if piece.first]) == 1
        assert exchange.idle is idle


def test_the_work_that_a_poll_brings_can_be_looked_for(host: RecordingHost) -> None:
    """`contains` sees the job in the reply, too."""
    framer = RespFramer(host)
    (exchange,) = begun(feed(framer, [command("BRPOP", "celery", "1")]))
    framer.reply(b"*2\r\n$6\r\ncelery\r\n$6\r\njob-17\r\n")
    assert "job-17" in exchange.text()


def test_published_messages_answer_no_command(host: RecordingHost) -> None:
    """In RESP2 they look like replies; commands of the subscriber are paired all the same."""
    framer = RespFramer(host)
    sent = begun(feed(framer, [command("SUBSCRIBE", "a", "b") + command("PING")]))
    assert [exchange.label for exchange in sent] == ["SUBSCRIBE a", "PING"]
    stream = (
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
        b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n"
        b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$2\r\nhi\r\n"
    )
    for size in (1, len(stream)):
        pieces = [
            piece for chunk in cut(stream, range(0, len(stream), size)) for piece in framer.reply(chunk)
        ]
        assert joined(pieces) == stream
        if size == 1:
            assert [piece.exchange for piece in pieces if piece.last and piece.exchange] == [sent[1]]


def test_who_has_left_all_channels_gets_replies_again(host: RecordingHost) -> None:
    """A list that begins with the word `message` is a reply then."""
    framer = RespFramer(host)
    feed(framer, [command("SUBSCRIBE", "a") + command("UNSUBSCRIBE")])
    framer.reply(b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n")
    (lrange,) = begun(feed(framer, [command("LRANGE", "words", "0", "-1")]))
    (piece,) = framer.reply(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n")
    assert piece.exchange is lrange


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x16\x03\x01", "TLS"),
        (b"GET / HTTP/1.1\r\n", "no command"),
        (b"POST / HTTP/1.1\r\n", "no command"),
        (b"AMQP\0\0\x09\x01", "nobody types"),
        (b"*x\r\n", "no number"),
        (b"*1\r\n+PING\r\n", "no bulk string"),
        (b"*1\r\n$4\r\nPINGxx", "where it says"),
        (b"*" + b"1" * 40, "no number"),
        (b"a" * 70_000, "longer than"),
        (command("MONITOR"), "MONITOR"),
        (command("CLIENT", "REPLY", "OFF"), "CLIENT"),
    ],
)
def test_what_is_not_resp_passes_and_is_said(host: RecordingHost, data: bytes, reason: str) -> None:
    """The framer gives up at once, once, and everything goes on."""
    framer = RespFramer(host)
    assert joined(framer.request(data)) == data
    assert joined(framer.request(b"more")) == b"more"
    assert joined(framer.reply(b"anything")) == b"anything"
    assert len(host.reasons) == 1
    assert reason in host.reasons[0]


@pytest.mark.parametrize(
    "reply", [b"\x15\x03\x01", b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b"*" + b"1" * 40]
)
def test_a_reply_that_is_not_resp_ends_framing(host: RecordingHost, reply: bytes) -> None:
    """What the server says goes on, also what was kept back."""
    framer = RespFramer(host)
    feed(framer, [command("PING")])
    assert joined(framer.reply(reply)) == reply
    assert len(host.reasons) == 1


@pytest.mark.parametrize(
    ("words", "label", "kind"),
    [
        ("LPUSH|celery|{}", "LPUSH celery", "write"),
        ("lpush|celery\x06\x169|{}", "LPUSH celery:*", "write"),
        ("SET|celery-task-meta-0192f0c1-3b5e-7a30-8000-00000000000a|x", "SET celery-task-meta-*", "write"),
        ("HSET|rq:job:6ad94f17-4c1e-4d0c-9a5b-96c1b1a8a6b2|a|b", "HSET rq:job:*", "write"),
        ("SETEX|arq:result:3f2a9c1b77de4f00a1b2c3d4e5f60718|1|x", "SETEX arq:result:*", "write"),
        ("BRPOP|b|a|c|1", "BRPOP a", "poll"),
        ("XREADGROUP|GROUP|g|c1|BLOCK|1|STREAMS|jobs|>", "XREADGROUP jobs", "poll"),
        ("XREAD|STREAMS|jobs|0", "XREAD jobs", "read"),
        ("XREAD|BLOCK|0|STREAMS|jobs|$", "XREAD jobs", "poll"),
        ("BLMPOP|1|2|a|b|LEFT", "BLMPOP a", "poll"),
        ("EVALSHA|0123456789abcdef|1|dramatiq|ack|17", "EVALSHA 01234567 dramatiq ack", "write"),
        ("EVAL|return 1|0", "EVAL", "read"),
        ("EVAL|return 1|1|k", "EVAL k", "write"),
        ("SADD|_kombu.binding.celery|x", "SADD _kombu.binding.celery", "session"),
        ("EXPIRE|rq:worker:abc|480", "EXPIRE rq:worker:abc", "session"),
        ("FCALL|take|1|q|pop", "FCALL take q pop", "poll"),
        ("PUBLISH|/0.celeryev/worker.heartbeat|{}", "PUBLISH /*.celeryev/worker.heartbeat", "session"),
        ("PUBLISH|events|{}", "PUBLISH events", "write"),
        ("HSET|rq:worker:abc|last_heartbeat|x", "HSET rq:worker:abc", "session"),
        ("CLIENT|setinfo|LIB-NAME|x", "CLIENT SETINFO", "session"),
        ("XGROUP|CREATE|jobs|g|$", "XGROUP CREATE jobs", "write"),
        ("GET|a", "GET a", "read"),
        ("SUBSCRIBE|a", "SUBSCRIBE a", "session"),
        ("PING", "PING", "session"),
        ("HELLO|3", "HELLO", "session"),
    ],
)
def test_a_command_is_called_by_its_key_without_identities(words: str, label: str, kind: str) -> None:
    """The same from run to run; the kind says what matters in it."""
    exchange = only(command(*words.split("|")))
    assert (exchange.label, exchange.kind) == (label, kind)


def test_what_is_queued_decides_what_a_transaction_is() -> None:
    """The weightiest of it: reads alone change nothing."""
    assert only(command("MULTI") + command("GET", "a") + command("EXEC")).kind == "read"
    assert (
        only(command("MULTI") + command("GET", "a") + command("LPOP", "q") + command("EXEC")).kind == "poll"
    )
    assert only(command("MULTI") + command("EXEC")).kind == "session"
