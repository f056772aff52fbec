"""A real Redis behind a link: clients notice nothing, and rules strike at named commands."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.backoff
import redis.exceptions
import redis.retry

from tests.conformance.links.conftest import OpenLink, listening
from unstuck.links.rules import Cut, Delay, Drop, Duplicate, Error, Hold
from unstuck.targets.dependencies.kinds.redis import find_server
from unstuck.worlds.process.ports import free_port

pytestmark = pytest.mark.process
Open = Callable[[int, str], OpenLink]
Client = Any  # redis.Redis: it says of each answer that one may have to await it


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Redis that keeps nothing."""
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    options += ["--dir", str(tmp_path_factory.mktemp("redis")), "--loglevel", "warning"]
    with subprocess.Popen([find_server(), *options], stdout=subprocess.DEVNULL) as process:
        try:
            listening(port)
            yield port
        finally:
            process.kill()


@pytest.fixture
def direct(server: int) -> Iterator[Client]:
    """Past the link."""
    with redis.Redis(port=server, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def link(open_link: Open, server: int, direct: Client) -> OpenLink:
    return open_link(server, "resp")


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def client(link: OpenLink, request: pytest.FixtureRequest) -> Iterator[Client]:
    with connect(link, protocol=request.param) as one:
        yield one


def connect(link: OpenLink, **options: Any) -> Client:
    """Without retries: an error of a fault is what a test looks for."""
    never = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    return redis.Redis(
        host=link.host, port=link.port, decode_responses=True, retry=never, socket_timeout=10, **options
    )


def test_commands_of_all_kinds_pass(link: OpenLink, client: Client) -> None:
    """Types, pipelines, scripts, transactions, large values, streams: what comes back is what was put in."""
    blob = "x" * 3_000_000
    client.set("blob", blob)
    assert client.get("blob") == blob
    client.hset("h", mapping={"a": "1", "b": "2"})
    assert client.hgetall("h") == {"a": "1", "b": "2"}
    client.zadd("z", {"m": 1.5})
    assert client.zscore("z", "m") == 1.5
    with client.pipeline(transaction=False) as pipeline:
        for number in range(500):
            pipeline.rpush("list", number)
        assert pipeline.execute()[-1] == 500
    assert len(client.lrange("list", 0, -1)) == 500
    add = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert add(keys=["n"], args=[5]) == 5
    client.xgroup_create("jobs", "g", mkstream=True)
    client.xadd("jobs", {"id": "j-1"})
    assert client.xreadgroup("g", "c", {"jobs": ">"})
    with client.pipeline() as transaction:
        transaction.watch("n")
        transaction.multi()
        transaction.incr("n")
        transaction.lpush("celery", "job")
        assert transaction.execute() == [6, 1]
    with pytest.raises(redis.ResponseError):
        client.lpush("blob", "x")
    assert link.events("unframed") == []
    counts = link.counts()
    assert counts["RPUSH list"] == 500
    assert counts["EXEC: INCRBY n, LPUSH celery"] == 1
    assert "MULTI" not in counts


def test_publishing_and_blocking_pass(link: OpenLink, client: Client) -> None:
    """A subscriber hears, a poll waits for work, and both connections stay framed."""
    subscriber = client.pubsub()
    subscriber.subscribe("events")
    assert subscriber.get_message(timeout=10)["type"] == "subscribe"
    client.publish("events", "hello")
    assert subscriber.get_message(timeout=10)["data"] == "hello"
    subscriber.close()
    assert client.brpop(["celery"], timeout=0.05) is None
    client.lpush("celery", "job")
    assert tuple(client.brpop(["celery"], timeout=5)) == ("celery", "job")
    assert link.events("unframed") == []


def test_only_what_matters_is_counted_as_such(link: OpenLink, client: Client) -> None:
    """Writes, and polls that brought work; reads, greetings and empty polls are not."""
    link.links.report_all(link.name)
    client.ping()
    client.get("a")
    client.brpop(["celery"], timeout=0.05)
    client.lpush("celery", "job-17")
    client.brpop(["celery"], timeout=5)
    idle, busy = (link.wait("seen", number, label="BRPOP celery", on="reply") for number in (1, 2))
    assert (idle.idle, busy.idle) == (True, False)
    assert "job-17" in busy.facts["text"]
    snapshot = link.links.snapshot()[link.name]
    assert snapshot.matter == {"LPUSH celery": 1, "BRPOP celery": 1}
    assert (snapshot.kinds["write"], snapshot.kinds["poll"], snapshot.kinds["read"]) == (1, 2, 1)


def test_an_idle_reply_is_neither_judged_nor_counted(link: OpenLink, client: Client) -> None:
    """The first reply to a poll that a rule sees is the one that brings work."""
    rule = link.rule(Cut(), label="BRPOP celery", on="reply")
    for _ in range(3):
        assert client.brpop(["celery"], timeout=0.02) is None
    client.lpush("celery", "job")
    with pytest.raises(redis.ConnectionError):
        client.brpop(["celery"], timeout=5)
    assert link.wait("matched", rule=rule).nth == 1
    assert client.llen("celery") == 0  # out of the queue, and not with the worker


def test_cut_before_a_push_loses_it_and_on_its_reply_keeps_it(link: OpenLink, direct: Client) -> None:
    """The same error for the client, and yet the job is there in the one case."""
    for on, left in (("request", 0), ("reply", 1)):
        link.rule(Cut(), label="LPUSH celery", on=on)
        with connect(link) as client, pytest.raises(redis.ConnectionError):
            client.lpush("celery", "job")
        assert direct.llen("celery") == left


@pytest.mark.parametrize(
    ("code", "kind"),
    [("LOADING", redis.BusyLoadingError), ("READONLY", redis.ReadOnlyError), (None, redis.ResponseError)],
)
def test_an_error_is_in_the_words_of_redis(
    link: OpenLink, direct: Client, code: str | None, kind: type[Exception]
) -> None:
    """Clients know it by its first word; the server has seen nothing, and the next command passes."""
    link.rule(Error(code=code, message="not now"), label="LPUSH *", first_n=2)
    with connect(link) as client:
        for _ in range(2):
            with pytest.raises(kind, match="not now"):
                client.lpush("celery", "job")
        assert direct.llen("celery") == 0
        assert client.lpush("celery", "job") == 1


def test_an_error_between_pipelined_commands_keeps_their_order(link: OpenLink, direct: Client) -> None:
    """Replies before and behind it belong to their own commands."""
    link.rule(Error(), label="SET b")
    with connect(link) as client, client.pipeline(transaction=False) as pipeline:
        pipeline.set("a", 1).set("b", 2).set("c", 3).get("a")
        first, second, third, fourth = pipeline.execute(raise_on_error=False)
    assert (first, third, fourth) == (True, True, "1")
    assert isinstance(second, redis.ResponseError)
    assert direct.get("b") is None


def test_an_error_instead_of_exec_leaves_no_transaction_behind(link: OpenLink, direct: Client) -> None:
    """The server forgets what was queued, and the connection goes on as if it had refused."""
    link.rule(Error(code="EXECABORT"), label="EXEC*")
    with connect(link, single_connection_client=True) as client:
        with client.pipeline() as transaction, pytest.raises(redis.ResponseError):
            transaction.lpush("celery", "job").execute()
        assert direct.llen("celery") == 0
        assert client.set("after", "1") is True
        assert client.get("after") == "1"


@pytest.mark.parametrize("transaction", [False, True])
def test_a_duplicate_is_done_twice(link: OpenLink, direct: Client, transaction: bool) -> None:
    """In the same database, on a connection of its own; a transaction as a whole."""
    rule = link.rule(Duplicate(), label="*LPUSH celery*")
    with connect(link, db=3) as client, client.pipeline(transaction=transaction) as pipeline:
        assert pipeline.lpush("celery", "job").execute() == [1]
    assert link.wait("done", rule=rule).outcome == "duplicated"
    direct.select(3)
    assert direct.lrange("celery", 0, -1) == ["job", "job"]


def test_a_duplicate_of_a_subscription_has_no_meaning(link: OpenLink) -> None:
    """It is said, and the message goes on."""
    rule = link.rule(Duplicate(), label="SUBSCRIBE *")
    with connect(link) as client:
        subscriber = client.pubsub()
        subscriber.subscribe("a")
        assert subscriber.get_message(timeout=10)["type"] == "subscribe"
        subscriber.close()
    assert "no meaning" in link.wait("done", rule=rule).facts["why"]


def test_a_message_is_held_late_or_gone(link: OpenLink, direct: Client) -> None:
    """Held until it is released, late by what was asked for, and dropped for good."""
    hold = link.rule(Hold(), label="LPUSH held")
    with connect(link) as client:
        pushing = threading.Thread(target=client.lpush, args=("held", "job"))
        pushing.start()
        link.wait("held", rule=hold)
        assert direct.llen("held") == 0
        assert link.links.release(hold) == 1
        pushing.join(10)
    assert direct.llen("held") == 1
    late = link.rule(Delay(delay_s=0.2), label="LPUSH late")
    with connect(link) as client:
        client.lpush("late", "job")
    matched, done = link.wait("matched", rule=late), link.wait("done", rule=late)
    assert done.at_ns - matched.at_ns >= 200_000_000
    link.rule(Drop(), label="LPUSH gone")
    with (
        redis.Redis(host=link.host, port=link.port, socket_timeout=0.3) as client,
        pytest.raises(redis.TimeoutError),
    ):
        client.lpush("gone", "job")
    assert direct.llen("gone") == 0


def test_another_protocol_is_said_and_passes(link: OpenLink) -> None:
    """Redis answers it as it would without us."""
    with connect(link) as client:
        connection = client.connection_pool.get_connection()
        connection._sock.sendall(b"POST / HTTP/1.1\r\n\r\n")
        with pytest.raises(redis.ConnectionError):
            connection.read_response()
    assert "no command" in link.wait("unframed").facts["reason"]
