"""The effects ledger applies each key once, and takes nothing that is no effect."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from unstuck.targets.sink import BODY_BYTES_MAX, Sink

EFFECT = {"job": "j-1", "key": "j-1/publish", "attempt": 1, "token": 3, "facts": {"s": 1}}


class Ledger:
    """A sink on a real loopback socket, and what it recorded."""

    def __init__(self) -> None:
        self.effects: list[dict[str, Any]] = []
        self.sink = Sink(lambda *_, **facts: self.effects.append(facts))
        self.sink.start()

    def post(self, body: bytes, path: str = "/effects", **headers: str) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.sink.port, timeout=5)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    made = Ledger()
    yield made
    made.sink.stop()


def test_a_key_is_applied_once_and_each_delivery_is_recorded(ledger: Ledger) -> None:
    """The second one is answered `false`, as an idempotent receiver does."""
    body = json.dumps(EFFECT).encode()
    assert [ledger.post(body) for _ in range(2)] == [(200, {"applied": True}), (200, {"applied": False})]
    assert [e["applied"] for e in ledger.effects] == [True, False]
    assert ledger.effects[0] == {
        "job": "j-1", "key": "j-1/publish", "attempt": 1, "token": 3, "applied": True,
    }  # fmt: skip


def test_of_many_at_once_one_is_applied(ledger: Ledger) -> None:
    """Twenty connections deliver one key at the same time."""
    body, barrier = json.dumps(EFFECT).encode(), threading.Barrier(20)

    def deliver() -> None:
        barrier.wait()
        ledger.post(body)

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(e["applied"] for e in ledger.effects) == [False] * 19 + [True]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"job": "j"}',
        json.dumps({**EFFECT, "attempt": "first"}).encode(),
        json.dumps({**EFFECT, "token": None}).encode(),
        b"[" * 100_000,
    ],
    ids=["nothing", "half", "list", "text", "no key", "attempt", "token", "deep"],
)
def test_what_is_no_effect_is_refused_and_leaves_nothing(ledger: Ledger, body: bytes) -> None:
    """400, no event, and the same key is applied when it comes as it should."""
    assert ledger.post(body)[0] == 400
    assert ledger.effects == []
    assert ledger.post(json.dumps(EFFECT).encode()) == (200, {"applied": True})


@pytest.mark.parametrize("length", ["-1", "many", str(BODY_BYTES_MAX + 1)])
def test_a_body_of_a_length_that_cannot_be_is_not_read(ledger: Ledger, length: str) -> None:
    """It is refused at once: nobody waits for bytes that never come."""
    assert ledger.post(b"{}", **{"Content-Length": length})[0] == 400


def test_effects_have_one_address(ledger: Ledger) -> None:
    """A service that reports somewhere else has reported nothing."""
    assert ledger.post(json.dumps(EFFECT).encode(), "/elsewhere")[0] == 404
    assert ledger.effects == []


def test_a_connection_serves_one_effect_after_another(ledger: Ledger) -> None:
    """Workers keep their connections open."""
    connection = http.client.HTTPConnection("127.0.0.1", ledger.sink.port, timeout=5)
    for token in (1, 2):
        connection.request("POST", "/effects", json.dumps({**EFFECT, "token": token}))
        assert connection.getresponse().read()
    connection.close()
    assert [e["token"] for e in ledger.effects] == [1, 2]


class Heard(Sink):
    """Tells when a connection has ended."""

    def __init__(self, emit: Any) -> None:
        super().__init__(emit)
        self.ended = threading.Event()
        close = self._server.shutdown_request

        def shutdown_request(request: Any) -> None:
            close(request)
            self.ended.set()

        self._server.shutdown_request = shutdown_request  # type: ignore[method-assign]  # to be told


def reset(connection: http.client.HTTPConnection) -> None:
    """Ends it as the kernel does for a process that was killed with bytes unread."""
    assert connection.sock is not None
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("asks", [True, False])
def test_a_client_that_is_killed_disturbs_nobody(asks: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """Before its answer or between two effects: what it said counts, and nothing is printed."""
    heard, gone = threading.Event(), threading.Event()

    def emit(*_: object, **__: object) -> None:
        heard.set()
        gone.wait(5)

    sink = Heard(emit)
    sink.start()
    connection = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=5)
    connection.connect()
    if asks:
        connection.request("POST", "/effects", json.dumps(EFFECT))
        assert heard.wait(5)
    reset(connection)
    gone.set()
    assert sink.ended.wait(5)
    sink.stop()
    assert capfd.readouterr() == ("", "")


def test_a_bug_of_ours_is_not_hidden(capfd: pytest.CaptureFixture[str]) -> None:
    """Only what a killed client causes is passed over in silence."""

    def emit(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    sink = Heard(emit)
    sink.start()
    connection = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=5)
    connection.request("POST", "/effects", json.dumps(EFFECT))
    assert sink.ended.wait(5)
    connection.close()
    sink.stop()
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_sink_that_was_never_started_stops() -> None:
    """A start that failed half-way takes down what it made, and waits for nobody."""
    sink = Sink(lambda *_, **__: None)
    sink.stop()
    sink.stop()
