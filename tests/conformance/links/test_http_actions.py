"""Each action does to an HTTP message what it says, and reports what became of it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable
from typing import Self

import pytest

from tests.conformance.links.conftest import OpenLink
from tests.conformance.links.servers import HttpServer
from unstuck.errors import UsageError
from unstuck.links.rules import Answer, Cut, Delay, Drop, Duplicate, Error, Hold

Open = Callable[[int, str], OpenLink]
COMPLETE = "/jobs/j-17/complete"
LABEL = "POST /jobs/{id}/complete"


@pytest.fixture
def link(open_link: Open, http: HttpServer) -> OpenLink:
    return open_link(http.port, "http1")


class Client:
    """One keep-alive connection."""

    def __init__(self, link: OpenLink, timeout_s: float = 10.0) -> None:
        self.connection = http.client.HTTPConnection(link.host, link.port, timeout=timeout_s)

    def post(self, path: str = COMPLETE, body: bytes = b"{}") -> tuple[int, bytes]:
        self.connection.request("POST", path, body)
        reply = self.connection.getresponse()
        return reply.status, reply.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def post(
    link: OpenLink, path: str = COMPLETE, body: bytes = b"{}", timeout_s: float = 10.0
) -> tuple[int, bytes]:
    with Client(link, timeout_s) as client:
        return client.post(path, body)


def test_without_rules_requests_pass_and_are_counted(link: OpenLink, http: HttpServer) -> None:
    """Keep-alive works, and counts are by label."""
    with Client(link) as client:
        assert [client.post(f"/jobs/j-{number}/complete")[1] for number in (1, 2)] == [b"reply 1", b"reply 2"]
        client.post("/sweep")
    assert link.counts() == {LABEL: 2, "POST /sweep": 1}


def test_answer_replies_and_forwards_nothing(link: OpenLink, http: HttpServer) -> None:
    """The sender believes, nobody hears; the next request passes on the same connection."""
    rule = link.rule(Answer(status=202, headers={"X-By": "us"}, body="taken"))
    with Client(link) as client:
        assert client.post() == (202, b"taken")
        assert client.post() == (200, b"reply 1")
    assert link.wait("done", rule=rule).outcome == "answered"
    assert len(http.requests) == 1


def test_answers_keep_the_order_of_pipelined_requests(link: OpenLink) -> None:
    """The second of three pipelined requests is answered by us, between the two real replies."""
    link.rule(Answer(body="mine"), nth=2)
    with socket.create_connection((link.host, link.port), timeout=10) as sock:
        sock.sendall(b"POST /sweep HTTP/1.1\r\nContent-Length: 0\r\n\r\n" * 3)
        data = b""
        while data.count(b"reply") < 2:
            data += sock.recv(65536)
    assert data.index(b"reply 1") < data.index(b"mine") < data.index(b"reply 2")


def test_drop_of_a_request_leaves_the_client_waiting(link: OpenLink, http: HttpServer) -> None:
    """Nothing reaches the dependency, and no reply comes."""
    rule = link.rule(Drop())
    with pytest.raises(TimeoutError):
        post(link, timeout_s=0.1)
    assert link.wait("done", rule=rule).outcome == "dropped"
    assert http.requests == []
    assert post(link) == (200, b"reply 1")


def test_drop_of_a_reply_leaves_the_work_done(link: OpenLink, http: HttpServer) -> None:
    """The dependency did it, the client does not learn of it."""
    rule = link.rule(Drop(), on="reply")
    with pytest.raises(TimeoutError):
        post(link, timeout_s=0.3)
    assert link.wait("done", rule=rule).outcome == "dropped"
    assert len(http.requests) == 1


def test_delay_is_at_least_as_long_as_it_says(link: OpenLink) -> None:
    """The proxy's own stamps say so."""
    rule = link.rule(Delay(delay_s=0.1))
    assert post(link) == (200, b"reply 1")
    matched, done = link.wait("matched", rule=rule), link.wait("done", rule=rule)
    assert done.outcome == "forwarded"
    assert done.at_ns - matched.at_ns >= 100_000_000


def test_a_delayed_request_is_overtaken(link: OpenLink, http: HttpServer) -> None:
    """Out of order: the second goes on while the first waits."""
    link.rule(Delay(delay_s=0.3), label="POST /first")
    late = threading.Thread(target=post, args=(link, "/first"))
    late.start()
    link.wait("matched")
    post(link, "/second")
    late.join()
    assert [line for line, _ in http.requests] == ["POST /second", "POST /first"]


@pytest.mark.parametrize("after_s", [0.0, 0.1])
def test_duplicate_reaches_the_dependency_twice(link: OpenLink, http: HttpServer, after_s: float) -> None:
    """Same bytes, one reply to the client; the copy may come late, after its client has gone."""
    rule = link.rule(Duplicate(after_s=after_s))
    status, _ = post(link, body=b'{"job": 1}')
    done = link.wait("done", rule=rule)
    assert status == 200
    assert (done.outcome, done.facts["copy"]) == ("duplicated", {"status": 200})
    assert http.requests == [(f"POST {COMPLETE}", b'{"job": 1}')] * 2


def test_a_request_too_large_to_keep_is_not_duplicated_and_says_so(link: OpenLink, http: HttpServer) -> None:
    """It passes once, and the rule has failed: a fault that did not land is never silent."""
    rule = link.rule(Duplicate())
    assert post(link, body=b"x" * 300_000)[0] == 200
    assert link.wait("done", rule=rule).outcome == "failed"
    assert len(http.requests) == 1


@pytest.mark.parametrize(("on", "arrived"), [("request", 0), ("reply", 1)])
@pytest.mark.parametrize(
    ("reset", "error"), [(True, ConnectionResetError), (False, http.client.RemoteDisconnected)]
)
def test_cut_ends_the_connection_there(
    link: OpenLink, http: HttpServer, on: str, arrived: int, reset: bool, error: type[Exception]
) -> None:
    """Before the request goes on, or instead of its reply; by RST or in order."""
    rule = link.rule(Cut(reset=reset), on=on)
    with pytest.raises(error):
        post(link)
    assert link.wait("done", rule=rule).outcome == "cut"
    assert len(http.requests) == arrived


def test_error_replies_in_the_dependencys_place(link: OpenLink, http: HttpServer) -> None:
    """Status and message are the rule's; nothing is forwarded."""
    rule = link.rule(Error(status=500, message="out of luck"))
    assert post(link) == (500, b'{"detail": "out of luck"}')
    assert link.wait("done", rule=rule).outcome == "error"
    assert http.requests == []


@pytest.mark.parametrize("on", ["request", "reply"])
def test_a_held_message_goes_on_when_it_is_released(link: OpenLink, http: HttpServer, on: str) -> None:
    """Held before it goes on: the dependency has the request only if the reply is what is held."""
    rule = link.rule(Hold(), on=on)
    results: list[tuple[int, bytes]] = []
    client = threading.Thread(target=lambda: results.append(post(link)))
    client.start()
    link.wait("held", rule=rule)
    assert len(http.requests) == (1 if on == "reply" else 0)
    assert results == []
    assert link.links.release(rule) == 1
    client.join()
    assert results == [(200, b"reply 1")]
    assert link.wait("done", rule=rule).outcome == ("forwarded" if on == "request" else "delivered")


def test_a_held_message_that_is_cut_never_arrives(link: OpenLink, http: HttpServer) -> None:
    """As when its sender was killed before the bytes went out."""
    rule = link.rule(Hold())
    errors: list[Exception] = []

    def send() -> None:
        try:
            post(link)
        except ConnectionError as error:
            errors.append(error)

    client = threading.Thread(target=send)
    client.start()
    link.wait("held", rule=rule)
    link.links.release(rule, "cut")
    client.join()
    assert [type(error) for error in errors] == [ConnectionResetError]
    assert http.requests == []


@pytest.mark.parametrize("abruptly", [True, False])
def test_a_held_request_arrives_even_after_its_sender_has_gone(
    link: OpenLink, http: HttpServer, abruptly: bool
) -> None:
    """Bytes on their way outlive the process that sent them."""
    rule = link.rule(Hold())
    sock = socket.create_connection((link.host, link.port), timeout=10)
    sock.sendall(b"POST /late HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
    link.wait("held", rule=rule)
    if abruptly:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    assert link.links.release(rule) == 1
    http.wait(1)
    assert http.requests == [("POST /late", b"hi")]


def test_a_held_reply_is_let_go_although_nobody_waits_for_it(link: OpenLink, http: HttpServer) -> None:
    """Its client has closed, as a browser does that gave up: its system resets what comes, before the
    end of the stream can follow."""
    rule = link.rule(Hold(), on="reply")
    sock = socket.create_connection((link.host, link.port), timeout=10)
    sock.sendall(b"POST /late HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi")  # after which the server closes
    link.wait("held", rule=rule)
    sock.close()
    assert link.links.release(rule) == 1
    link.wait("done", rule=rule)
    assert post(link)[0] == 200


def test_removing_a_rule_lets_go_of_what_it_holds(link: OpenLink) -> None:
    """Healing leaves nothing behind."""
    rule = link.rule(Hold(), every=True)
    results: list[tuple[int, bytes]] = []
    client = threading.Thread(target=lambda: results.append(post(link)))
    client.start()
    link.wait("held", rule=rule)
    link.links.remove_rule(rule)
    client.join()
    assert results == [(200, b"reply 1")]
    assert post(link) == (200, b"reply 2")
    assert len(link.events("matched")) == 1


def test_the_nth_message_is_counted_across_connections(link: OpenLink, http: HttpServer) -> None:
    """The third request fails, whichever connection it comes on; others do not count."""
    link.rule(Error(), label=LABEL, nth=3)
    statuses = [post(link)[0], post(link, "/sweep")[0], post(link)[0], post(link)[0], post(link)[0]]
    assert statuses == [200, 200, 200, 503, 200]
    assert link.wait("matched").nth == 3


def test_a_second_rule_for_the_same_message_is_shadowed_and_says_so(link: OpenLink) -> None:
    """The older rule has the message; the younger one's turn is reported as gone."""
    first, second = link.rule(Answer(body="1")), link.rule(Answer(body="2"))
    assert post(link) == (200, b"1")
    done = link.wait("done", rule=second)
    assert (done.outcome, done.facts["by"]) == ("shadowed", first)


def test_every_message_can_be_reported(link: OpenLink) -> None:
    """For enumerating crash points: requests and replies, each once, in order."""
    link.links.report_all(link.name)
    with Client(link) as client:
        client.post()
        client.post("/sweep")
    link.wait("seen", number=4)
    assert [(event.on, event.label, event.exchange) for event in link.events("seen")] == [
        ("request", LABEL, 1),
        ("reply", LABEL, 1),
        ("request", "POST /sweep", 2),
        ("reply", "POST /sweep", 2),
    ]


def test_each_match_has_exactly_one_end(link: OpenLink) -> None:
    """Whatever happens to the connection: here the client leaves during a delay, and comes back."""
    rule = link.rule(Delay(delay_s=0.2), every=True)
    for _ in range(3):
        with contextlib.suppress(TimeoutError):
            post(link, timeout_s=0.02)
    for number in (1, 2, 3):
        link.wait("done", number=number, rule=rule)
    assert len(link.events("done")) == len(link.events("matched")) == 3


def test_an_action_without_meaning_on_a_link_is_refused(open_link: Open, http: HttpServer) -> None:
    """The error names the link, its framer and what to use."""
    raw = open_link(http.port, "raw")
    with pytest.raises(UsageError, match=r"'answer' has no meaning on link .* speaks raw"):
        raw.rule(Answer())
