"""Events over HTTP: what a worker's inbox answers, and when."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from reference_service.fakes import ManualClock, MemoryQueue
from reference_service.ports import Message, Unavailable
from reference_service.queue.endpoints import HttpEndpoints
from reference_service.queue.inbox import CONNECTIONS_MAX, Inbox
from reference_service.settings import BadSettings, GivenSettings


@contextmanager
def opened(**settings: Any) -> Iterator[Inbox]:
    given = GivenSettings.model_validate({"database_url": "sqlite://", "sink_url": "http://sink", **settings})
    inbox = Inbox(given, MemoryQueue(ManualClock()))
    try:
        yield inbox
    finally:
        inbox.close()


@contextmanager
def pushing(
    inbox: Inbox, *bodies: Mapping[str, Any], token: str | None = None
) -> Iterator[list[Future[bool]]]:
    """Somebody pushes these at once, and waits for his answers."""
    address = inbox.address
    with ThreadPoolExecutor(max_workers=len(bodies)) as pool:
        yield [pool.submit(HttpEndpoints(token).post, address, body, within_s=10.0) for body in bodies]


def received(inbox: Inbox, count: int) -> list[Message]:
    """So many, however they are split over reads."""
    messages: list[Message] = []
    looks = 0
    while len(messages) < count and looks < 50:
        messages += inbox.receive(wait_s=0.2, most=count)
        looks += 1
        if len(messages) < count and messages:  # what is handed out and not answered is refused at a look
            raise AssertionError("they came one by one")
    return messages


def test_an_event_is_answered_when_it_is_deleted() -> None:
    """Its sender waits until then, and hears that it was taken."""
    with opened() as inbox, pushing(inbox, {"job": "j"}) as [answer]:
        (message,) = received(inbox, 1)
        assert message.body == {"job": "j"}
        assert not answer.done()
        inbox.delete(message)
        assert answer.result(10.0) is True


def test_an_event_that_is_given_back_goes_elsewhere() -> None:
    """503: its sender asks another worker."""
    with opened() as inbox, pushing(inbox, {"job": "j"}) as [answer]:
        inbox.give_back(received(inbox, 1)[0])
        assert answer.result(10.0) is False


def test_who_drains_refuses_at_once_what_comes() -> None:
    """Without having received it."""
    with opened() as inbox, pushing(inbox, {"job": "j"}, {"job": "k"}) as answers:
        while not all(answer.done() for answer in answers):
            inbox.refuse()
        assert [answer.result() for answer in answers] == [False, False]


def test_an_event_that_was_taken_in_and_forgotten_is_refused_at_the_next_look() -> None:
    """As when the database went away before its claim: nobody waits for a deadline."""
    with opened() as inbox, pushing(inbox, {"job": "j"}) as [answer]:
        received(inbox, 1)
        assert inbox.receive(wait_s=0.0, most=1) == []
        assert answer.result(10.0) is False


def test_nobody_can_push_to_one_that_has_gone() -> None:
    """A connection that is refused is no answer."""
    with opened() as inbox:
        address = inbox.address
    with pytest.raises(Unavailable, match=r"^http://127\.0\.0\.1:\d+: "):
        HttpEndpoints(None).post(address, {"job": "j"}, within_s=2.0)


def test_one_that_does_not_answer_is_not_waited_for_beyond_the_deadline() -> None:
    """It holds the event, and says nothing."""
    with opened() as inbox, pytest.raises(Unavailable, match="ReadTimeout"):
        HttpEndpoints(None).post(inbox.address, {"job": "j"}, within_s=0.2)


def test_with_a_token_strangers_are_refused() -> None:
    """And never come to the worker's eyes."""
    with opened(internal_token="secret") as inbox:
        with pushing(inbox, {"job": "j"}, token="wrong") as [answer]:
            while not answer.done():
                assert inbox.receive(wait_s=0.05, most=1) == []
            with pytest.raises(Unavailable, match="status 401"):
                answer.result()
        with pushing(inbox, {"job": "j"}, token="secret") as [answer]:
            inbox.delete(received(inbox, 1)[0])
            assert answer.result(10.0) is True


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n", b"404"),
        (b"POST /events HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000, b"413"),
        (b"nonsense\r\n\r\n", b""),
    ],
)
def test_what_is_no_event_is_turned_away(sent: bytes, status: bytes) -> None:
    """Answered, or cut off; the inbox goes on."""
    with opened() as inbox:
        port = int(inbox.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as peer:
            peer.sendall(sent)
            for _ in range(20):
                assert inbox.receive(wait_s=0.02, most=1) == []
            assert peer.recv(4096).partition(b"\r\n")[0][9:12] == status


def test_many_requests_in_one_piece_are_answered_one_after_the_other() -> None:
    """A peer that sends thousands at once does not exhaust the stack of the worker."""
    request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    with opened() as inbox:
        port = int(inbox.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as peer:
            peer.sendall(request * 1500)
            for _ in range(20):
                assert inbox.receive(wait_s=0.02, most=1) == []
            assert peer.recv(12) == b"HTTP/1.1 404"
        with pushing(inbox, {"job": "j"}) as [answer]:
            inbox.delete(received(inbox, 1)[0])
            assert answer.result(10.0) is True


def test_connections_that_nobody_uses_keep_no_event_out() -> None:
    """1. hosts die without a word, and their connections never end, 2. there are as many as there may be."""
    with opened() as inbox, ExitStack() as peers:
        port = int(inbox.address.rpartition(":")[2])
        for _ in range(CONNECTIONS_MAX):
            peers.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5.0))
            inbox.refuse()
        with pushing(inbox, {"job": "j"}) as [answer]:
            inbox.delete(received(inbox, 1)[0])
            assert answer.result(10.0) is True


def test_a_child_has_no_part_in_it() -> None:
    """A connection that its parent closes is closed, although a forked child lives."""
    with opened() as inbox:
        port = int(inbox.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as peer:
            inbox.refuse()
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                os.read(read, 1)
                os._exit(0)
            inbox.close()
            assert peer.recv(1) == b""
            os.write(write, b"x")
            os.waitpid(child, 0)
            os.close(read)
            os.close(write)


def test_a_taken_port_is_one_line() -> None:
    """It names the setting, and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            opened(inbox_port=port) as inbox,
            pytest.raises(BadSettings, match=f"INBOX_PORT={port}: .*free one"),
        ):
            _ = inbox.address
