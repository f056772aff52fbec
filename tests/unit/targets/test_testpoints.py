"""The server of test points, over real loopback sockets: who stands where, and who has gone."""

from __future__ import annotations

import json
import queue
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from unstuck.clock import monotonic_ns, sleep
from unstuck.targets.port import PointReached
from unstuck.targets.testpoints import PointServer

HELLO = {"hello": {"pid": 7, "instance": "worker-1"}}
POINT = {"point": "worker.stage.started", "job": "j-1", "facts": {"stage": "scenes", "attempt": 1}}


class Process:
    """The service's side of the protocol."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self.lines = self.socket.makefile("rb")

    def say(self, message: Any) -> None:
        raw = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        self.socket.sendall(raw)

    def hear(self) -> Any:
        line = self.lines.readline()
        return json.loads(line) if line else None

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


class Harness:
    def __init__(self) -> None:
        self.points: queue.Queue[PointReached] = queue.Queue()
        self.server = PointServer(["worker.stage.started"], self.points.put)
        self.server.start()

    def process(self) -> Process:
        return Process(self.server.address)

    def next(self) -> PointReached:
        return self.points.get(timeout=5)


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    yield made
    made.server.stop()


def gone(point: PointReached) -> bool:
    """Waits until the end of the connection has come to us; it comes by itself, and soon."""
    deadline_ns = monotonic_ns() + 5_000_000_000
    while not point.gone() and monotonic_ns() < deadline_ns:
        sleep(0.001)
    return point.gone()


def test_a_process_learns_where_to_stop_and_stands_there_until_it_is_answered(harness: Harness) -> None:
    """Hello, the watched names, a point with its facts, one directive; then the next point."""
    with closing(harness.process()) as process:
        process.say(HELLO)
        assert process.hear() == {"watch": ["worker.stage.started"]}
        for directive in ({"do": "go"}, {"do": "allocate", "bytes": 5}):
            process.say(POINT)
            point = harness.next()
            assert (point.point, point.process, point.pid, point.job) == (
                "worker.stage.started",
                "worker-1",
                7,
                "j-1",
            )
            assert point.facts == {"stage": "scenes", "attempt": 1}
            point.answer(directive)
            assert process.hear() == directive
        assert not point.gone()
        assert not point.kept()
        process.say({"allocated": 5})
        process.say(POINT)
        harness.next()
        assert point.kept()


def test_only_the_first_answer_counts(harness: Harness) -> None:
    """A second one would let the process go on from its next point, too."""
    with closing(harness.process()) as process:
        process.say(HELLO)
        process.hear()
        process.say(POINT)
        point = harness.next()
        point.answer({"do": "go"})
        point.answer({"do": "crash"})
        assert process.hear() == {"do": "go"}
        process.say(POINT)
        harness.next().answer({"do": "go"})
        assert process.hear() == {"do": "go"}


def test_two_processes_are_kept_apart(harness: Harness) -> None:
    """Each connection stands at its own point; an answer goes to who asked."""
    with closing(harness.process()) as one, closing(harness.process()) as two:
        points = []
        for process, instance in ((one, "worker-1"), (two, "worker-2")):
            process.say({"hello": {"pid": 7, "instance": instance}})
            process.hear()
            process.say(POINT)
            points.append(harness.next())
        assert [p.process for p in points] == ["worker-1", "worker-2"]
        points[1].answer({"do": "crash"})
        points[0].answer({"do": "go"})
        assert (one.hear(), two.hear()) == ({"do": "go"}, {"do": "crash"})
        two.close()
        assert gone(points[1])
        assert not points[0].gone()


def test_a_killed_process_is_seen_to_be_gone(harness: Harness) -> None:
    """Its connection ends; whoever answers it then is told nothing, and nothing breaks."""
    process = harness.process()
    process.say(HELLO)
    process.hear()
    process.say(POINT)
    point = harness.next()
    process.close()
    assert gone(point)
    point.answer({"do": "go"})


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\n",
        b"[]\n",
        b'"point"\n',
        b'{"point": "p", "fa',
        b'{"point": "p", "facts": 7}\n',
        b"\xff\xfe\n",
        b"\n",
    ],
)
def test_garbage_ends_its_own_connection_alone(harness: Harness, said: bytes) -> None:
    """Half a line, no object, no JSON: that connection is closed, and the next one is served."""
    with closing(harness.process()) as process:
        process.say(HELLO)
        process.hear()
        process.say(said)
        process.socket.shutdown(socket.SHUT_WR)
        assert process.hear() is None
    with closing(harness.process()) as process:
        process.say(HELLO)
        assert process.hear() == {"watch": ["worker.stage.started"]}
    assert harness.points.empty()


@pytest.mark.parametrize("hello", [b"", b"7\n", b'{"hello": 7}\n'])
def test_a_stranger_is_let_go(harness: Harness, hello: bytes) -> None:
    """Who does not say hello as a test point does gets no answer to a point."""
    with closing(harness.process()) as process:
        process.say(hello + json.dumps(POINT).encode() + b"\n")
        process.socket.shutdown(socket.SHUT_WR)
        while process.hear() is not None:
            pass
    assert harness.points.empty()


def test_stopping_lets_everybody_go() -> None:
    """Who stands at a point reads the end of the connection, and a test point is a no-op from then on."""
    harness = Harness()
    with closing(harness.process()) as process:
        process.say(HELLO)
        process.hear()
        process.say(POINT)
        point = harness.next()
        harness.server.stop()
        harness.server.stop()
        assert process.hear() is None
        assert gone(point)
        with pytest.raises(OSError, match="refused"):
            harness.process()


def test_a_server_that_was_never_started_stops() -> None:
    """A start of the target that failed half-way leaves no listener behind."""
    server = PointServer([], lambda _: None)
    address = server.address
    server.stop()
    with pytest.raises(OSError, match="refused"):
        Process(address)
