"""A real RabbitMQ behind a link: clients notice nothing, and rules strike at named methods."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pika
import pytest
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel

from tests.conformance.links.conftest import OpenLink
from tests.conformance.links.rabbitmq import rabbitmq, server_script
from unstuck.links.rules import DOWN, Action, Cut, Delay, Drop, Duplicate, Error, Hold

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(server_script() is None, reason="rabbitmq-server is not installed"),
]
Open = Callable[[int, str], OpenLink]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as port:
        yield port


def connect(port: int) -> pika.BlockingConnection:
    options = pika.ConnectionParameters("127.0.0.1", port, socket_timeout=10, blocked_connection_timeout=10)
    return pika.BlockingConnection(options)


@pytest.fixture
def direct(server: int) -> Iterator[BlockingChannel]:
    """Past the link, with an empty queue `celery`."""
    with connect(server) as connection:
        channel = connection.channel()
        channel.queue_declare("celery", durable=True)
        channel.queue_purge("celery")
        yield channel


@pytest.fixture
def link(open_link: Open, server: int, direct: object) -> OpenLink:
    return open_link(server, "amqp")


def depth(direct: BlockingChannel) -> int:
    """How many messages wait in the queue, asked past the link."""
    return int(direct.queue_declare("celery", passive=True).method.message_count)


def test_messages_of_all_sizes_pass(link: OpenLink, direct: object) -> None:
    """Published with confirms and consumed again, empty, small, and larger than what is kept."""
    sent = [b"", b"x" * 10, b"y" * 200_000, b"z" * 3_000_000]
    with connect(link.port) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in sent:
            channel.basic_publish("", "celery", body)
        got = []
        channel.basic_qos(prefetch_count=2)
        for method, _, body in channel.consume("celery", inactivity_timeout=10):
            got.append(body)
            channel.basic_ack(method.delivery_tag)
            if len(got) == len(sent):
                break
        channel.cancel()
    assert got == sent
    assert link.events("unframed") == []
    counts = link.counts()
    assert counts["basic.publish celery"] == len(sent)
    assert counts["basic.ack celery"] == len(sent)


def test_channels_side_by_side_pass(link: OpenLink, direct: object) -> None:
    """Each answer finds its channel."""
    with connect(link.port) as connection:
        channels = [connection.channel() for _ in range(5)]
        names = [channel.queue_declare("", exclusive=True).method.queue for channel in channels]
        for channel, name in zip(channels, names, strict=True):
            channel.basic_publish("", name, name.encode())
        for channel, name in zip(reversed(channels), reversed(names), strict=True):
            assert channel.basic_get(name, auto_ack=True)[2] == name.encode()
    assert link.events("unframed") == []
    assert link.counts()["basic.publish amq.gen-*"] == 5


def test_only_what_matters_is_counted_as_such(link: OpenLink, direct: object) -> None:
    """Publishing, deliveries, acknowledgements; no declarations, and no get that finds nothing."""
    link.links.report_all(link.name)
    with connect(link.port) as connection:
        channel = connection.channel()
        assert channel.basic_get("celery")[0] is None
        channel.basic_publish("", "celery", b"job-17")
        method, _, _ = next(channel.consume("celery", inactivity_timeout=10))
        channel.basic_ack(method.delivery_tag)
        channel.cancel()
    seen = link.wait("seen", label="basic.deliver celery")
    assert (seen.on, seen.kind, seen.idle) == ("reply", "poll", False)
    assert "job-17" in seen.facts["text"]
    assert link.wait("seen", label="basic.get celery", on="reply").idle is True
    matter = link.links.snapshot()[link.name].matter
    assert matter == {"basic.publish celery": 1, "basic.deliver celery": 1, "basic.ack celery": 1}


def test_cut_before_a_publish_loses_it_and_on_its_confirm_keeps_it(
    link: OpenLink, direct: BlockingChannel
) -> None:
    """The same error for the publisher, and yet the job is there in the one case."""
    for on, label, left in (("request", "basic.publish celery", 0), ("reply", "basic.ack celery", 1)):
        rule = link.rule(Cut(), label=label, on=on)
        connection = connect(link.port)
        channel = connection.channel()
        channel.confirm_delivery()
        with pytest.raises(exceptions.AMQPConnectionError):
            channel.basic_publish("", "celery", b"job")
        assert link.wait("done", rule=rule).outcome == "cut"
        assert depth(direct) == left


def test_cut_before_an_ack_gives_the_job_out_again(link: OpenLink, direct: BlockingChannel) -> None:
    """The worker has done it, and the broker never heard."""
    direct.basic_publish("", "celery", b"job")
    rule = link.rule(Cut(), label="basic.ack celery")
    connection = connect(link.port)
    channel = connection.channel()
    method, _, _ = next(channel.consume("celery", inactivity_timeout=10))
    channel.basic_ack(method.delivery_tag)
    with pytest.raises(exceptions.AMQPConnectionError):
        connection.process_data_events(10)
    assert link.wait("done", rule=rule).outcome == "cut"
    method, _, body = next(direct.consume("celery", inactivity_timeout=10))
    assert (method.redelivered, body) == (True, b"job")
    direct.basic_ack(method.delivery_tag)
    direct.cancel()


def test_an_error_ends_the_channel_on_both_sides(link: OpenLink, direct: BlockingChannel) -> None:
    """The client opens it again under the same number, and the connection goes on."""
    link.rule(Error(code="406", message="not now"), label="basic.publish celery", first_n=2)
    with connect(link.port) as connection:
        for _ in range(2):
            channel = connection.channel(7)
            channel.confirm_delivery()
            with pytest.raises(exceptions.ChannelClosedByBroker, match="not now") as caught:
                channel.basic_publish("", "celery", b"job")
            assert caught.value.reply_code == 406
        assert depth(direct) == 0
        channel = connection.channel(7)
        channel.confirm_delivery()
        channel.basic_publish("", "celery", b"job")
    assert depth(direct) == 1


def test_what_a_channel_has_not_acknowledged_goes_back_at_an_error(
    link: OpenLink, direct: BlockingChannel
) -> None:
    """As the broker itself would have it."""
    direct.basic_publish("", "celery", b"job")
    link.rule(Error(), label="basic.ack celery")
    with connect(link.port) as connection:
        channel = connection.channel()
        method, _, _ = channel.basic_get("celery")
        channel.basic_ack(method.delivery_tag)
        with pytest.raises(exceptions.ChannelClosedByBroker):
            channel.queue_declare("celery", passive=True)
        again = connection.channel()
        method, _, body = next(again.consume("celery", inactivity_timeout=10))
        assert (method.redelivered, body) == (True, b"job")
        again.basic_ack(method.delivery_tag)
        again.cancel()


def test_an_error_before_a_channel_ends_the_connection(link: OpenLink, direct: object) -> None:
    """There is nothing smaller to end."""
    link.rule(Error(code="541"), label="connection.open")
    with pytest.raises((exceptions.AMQPConnectionError, exceptions.ProbableAccessDeniedError)):
        connect(link.port)


def test_a_duplicate_is_published_twice(link: OpenLink, direct: BlockingChannel) -> None:
    """On a connection of its own, so that confirms keep their numbers; an ack has no meaning there."""
    rule = link.rule(Duplicate(), label="basic.publish celery")
    refused = link.rule(Duplicate(), label="basic.ack celery")
    with connect(link.port) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", "celery", b"job")
        assert link.wait("done", rule=rule).outcome == "duplicated"
        assert depth(direct) == 2
        method, _, _ = channel.basic_get("celery")
        channel.basic_ack(method.delivery_tag)
        assert "no meaning" in link.wait("done", rule=refused).facts["why"]


def test_a_message_is_held_late_or_gone(link: OpenLink, direct: BlockingChannel) -> None:
    """Held until it is released, late by what was asked for, and dropped with all behind it."""
    actions: list[Action] = [Hold(), Delay(delay_s=0.2), Drop()]
    rules = [
        link.rule(action, label="basic.publish celery", nth=nth) for nth, action in enumerate(actions, 1)
    ]
    published = threading.Event()

    def publish() -> None:
        with connect(link.port) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("", "celery", b"held")
            channel.basic_publish("", "celery", b"late")
        published.set()

    thread = threading.Thread(target=publish)
    thread.start()
    link.wait("held", rule=rules[0])
    assert depth(direct) == 0
    assert link.links.release(rules[0]) == 1
    thread.join(10)
    assert published.is_set()
    assert depth(direct) == 2
    assert link.wait("done", rule=rules[1]).at_ns - link.wait("matched", rule=rules[1]).at_ns >= 200_000_000
    connection = connect(link.port)
    connection.channel().basic_publish("", "celery", b"gone")
    assert link.wait("done", rule=rules[2]).outcome == "dropped"
    assert depth(direct) == 2
    link.links.set_state(link.name, DOWN)  # nothing that it says would get through, nor its good-bye
    with pytest.raises(exceptions.AMQPConnectionError):
        connection.process_data_events(10)
