"""Test points: what a harness can do at them, and that without one they are nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from reference_service.points import SocketPoints


class Harness:
    """Answers each point with the next of `answers`, then closes."""

    def __init__(self, watch: list[str], answers: list[dict[str, Any]]) -> None:
        self.said: list[dict[str, Any]] = []
        self._watch = watch
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname()[:2])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rwb") as lines:
            for answer in [{"watch": self._watch}, *self._answers]:
                line = lines.readline()
                if not line:
                    return
                self.said.append(json.loads(line))
                lines.write(json.dumps(answer).encode() + b"\n")
                lines.flush()

    def close(self) -> None:
        self._listener.close()
        self._thread.join()


@pytest.fixture
def harness() -> Iterator[Harness]:
    one = Harness(["a.watched"], [{"do": "go"}, {"do": "allocate", "bytes": 100_000}])
    yield one
    one.close()


@pytest.fixture
def points(harness: Harness) -> Iterator[SocketPoints]:
    one = SocketPoints(harness.address, "worker-1")
    yield one
    one.close()


def test_a_watched_point_waits_for_an_answer(harness: Harness, points: SocketPoints) -> None:
    """Hello first; then each watched point says where it is. A point nobody watches says nothing."""
    points.reach("not.watched", job="j")
    points.reach("a.watched", job="j", stage="scenes", attempt=2)
    assert harness.said[0]["hello"]["instance"] == "worker-1"
    assert harness.said[1:] == [
        {"point": "a.watched", "job": "j", "facts": {"stage": "scenes", "attempt": 2}}
    ]


def test_a_burden_is_touched_and_kept(points: SocketPoints) -> None:
    """`allocate` takes real memory, and goes on."""
    points.reach("a.watched")
    points.reach("a.watched")
    (burden,) = points._burden
    assert (len(burden), burden[0], burden[4096]) == (100_000, 1, 1)


def test_a_harness_that_goes_away_is_not_waited_for(harness: Harness, points: SocketPoints) -> None:
    """From then on every point is nothing."""
    for _ in range(5):
        points.reach("a.watched")
    assert len(harness.said) == 3


def test_a_harness_that_is_not_there_is_not_waited_for() -> None:
    """Connection refused: nothing happens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "{}:{}".format(*listener.getsockname()[:2])
    SocketPoints(address, "worker-1").reach("a.watched")


@pytest.mark.parametrize("address", ["nonsense", "host:", ":1x"])
def test_a_bad_address_is_refused(address: str) -> None:
    """At once, with the variable's name."""
    with pytest.raises(ValueError, match="REFERENCE_TESTPOINTS"):
        SocketPoints(address, "worker-1")
