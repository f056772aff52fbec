"""Toxics do to real sockets what Toxiproxy's do, on connections that are open as on new ones.

Lower bounds are exact: nothing may come early. Upper bounds only keep a broken toxic from hanging a test.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.conformance.links.conftest import OpenLink
from tests.conformance.links.toxic_sockets import (
    LATE_S,
    comes_nothing,
    connect,
    exactly,
    is_quick,
    monotonic,
    put,
    round_trip_s,
    take,
)
from unstuck.errors import UsageError
from unstuck.links.proxy import STREAMS
from unstuck.links.toxics.port import Stream

Open = Callable[[int, str], OpenLink]


# latency


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_delays_an_open_connection(link: OpenLink, stream: Stream) -> None:
    """From the moment when it is there, and no more once it is gone."""
    with connect(link) as sock:
        assert is_quick(sock)
        name = put(link, "latency", stream, latency=300)
        assert round_trip_s(sock) >= 0.3
        take(link, name)
        assert is_quick(sock)


def test_latency_delays_a_new_connection(link: OpenLink) -> None:
    """Toxics are for connections that are to come, too."""
    put(link, "latency", latency=200)
    with connect(link) as sock:
        assert round_trip_s(sock) >= 0.2


def test_jitter_stays_within_its_bounds(link: OpenLink) -> None:
    """Never earlier than latency minus jitter, and not always the same."""
    put(link, "latency", latency=60, jitter=40)
    with connect(link) as sock:
        times = [round_trip_s(sock) for _ in range(12)]
    assert min(times) >= 0.02
    assert max(times) - min(times) > 0.005


def test_latency_does_not_throttle(link: OpenLink) -> None:
    """Twenty messages under way at once are late together, not one after the other."""
    put(link, "latency", latency=300)
    with connect(link) as sock:
        start = monotonic()
        for _ in range(20):
            sock.sendall(b"x")
            threading.Event().wait(0.005)  # so that each is read on its own
        assert exactly(sock, 20) == b"x" * 20
        assert 0.3 <= monotonic() - start < 20 * 0.3


def test_removing_latency_releases_what_it_holds(link: OpenLink) -> None:
    """At once and in order: nobody waits for a delay that is gone."""
    name = put(link, "latency", latency=60_000)
    with connect(link) as sock:
        for piece in (b"one,", b"two,", b"three"):
            sock.sendall(piece)
        assert comes_nothing(sock)
        take(link, name)
        assert exactly(sock, 13) == b"one,two,three"
        assert round_trip_s(sock) < LATE_S


def test_two_latencies_add_up(link: OpenLink) -> None:
    """One behind the other, in both directions."""
    put(link, "latency", "upstream", latency=150)
    put(link, "latency", "downstream", latency=150)
    with connect(link) as sock:
        assert round_trip_s(sock) >= 0.3


# bandwidth


def test_bandwidth_limits_the_rate(link: OpenLink) -> None:
    """100 kB at 200 kB a second take half a second, whatever is read at once."""
    put(link, "bandwidth", "upstream", rate=200)
    with connect(link) as sock:
        assert round_trip_s(sock, b"x" * 100_000) >= 0.5


def test_removing_bandwidth_releases_what_it_holds(link: OpenLink) -> None:
    """A rate of 0 lets nothing through; without it everything comes."""
    name = put(link, "bandwidth", rate=0)
    with connect(link) as sock:
        sock.sendall(b"x" * 50_000)
        assert comes_nothing(sock)
        take(link, name)
        assert exactly(sock, 50_000) == b"x" * 50_000


def test_bandwidth_makes_the_source_rest(open_link: Open, upstream: socket.socket) -> None:
    """What cannot go on is not read without end: the sender is held back, and the bytes are all there."""
    link = open_link(upstream.getsockname()[1], "raw")
    name = put(link, "bandwidth", "upstream", rate=1)
    size = 64_000_000
    with connect(link) as sock:
        server, _ = upstream.accept()
        server.settimeout(LATE_S)
        sock.settimeout(0.5)
        with server:
            sent = 0
            with suppress(TimeoutError):
                while sent < size:
                    sent += sock.send(b"x" * 65536)
            assert sent < size
            take(link, name)
            assert exactly(server, sent) == b"x" * sent
            sock.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""


# slicer, noop


def test_slicer_cuts_data_into_small_pieces(open_link: Open, upstream: socket.socket) -> None:
    """Each goes on alone, and is followed by the delay; together they are what was sent."""
    link = open_link(upstream.getsockname()[1], "raw")
    put(link, "slicer", "upstream", average_size=100, size_variation=20, delay=100_000)
    with connect(link) as sock:
        server, _ = upstream.accept()
        with server:
            server.settimeout(LATE_S)
            data = bytes(range(250)) * 4
            sock.sendall(data)
            pieces: list[bytes] = []
            while len(b"".join(pieces)) < len(data):
                pieces.append(server.recv(65536))
    assert b"".join(pieces) == data
    assert len(pieces) >= 3  # on an idle machine 8 or more; a slow reader may see several at once


def test_removing_slicer_releases_what_it_holds(link: OpenLink) -> None:
    """The pieces that were still to come, in one."""
    name = put(link, "slicer", average_size=1, delay=60_000_000)
    with connect(link) as sock:
        sock.sendall(b"abc")
        assert exactly(sock, 1) == b"a"
        take(link, name)
        assert exactly(sock, 2) == b"bc"


def test_noop_does_nothing(link: OpenLink) -> None:
    """All bytes and the end come as they went."""
    put(link, "noop", "upstream")
    with connect(link) as sock:
        assert round_trip_s(sock) < LATE_S
        sock.shutdown(socket.SHUT_WR)
        assert exactly(sock, 10) == b"|end"


@pytest.mark.parametrize("side", ["client", "dependency"])
def test_a_reset_stays_a_reset_behind_a_toxic(open_link: Open, upstream: socket.socket, side: str) -> None:
    """It waits for what came before it, and for a slow_close, and is no orderly end."""
    link = open_link(upstream.getsockname()[1], "raw")
    for stream in STREAMS:
        put(link, "latency", stream, latency=100)
        put(link, "slow_close", stream, delay=100)
    client = connect(link)
    server, _ = upstream.accept()
    server.settimeout(LATE_S)
    gone, left = (client, server) if side == "client" else (server, client)
    gone.sendall(b"last words")
    with left:
        assert exactly(left, 10) == b"last words"
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()
        with pytest.raises(ConnectionResetError):
            left.recv(1)


# toxicity, names, what the harness hears


def test_toxicity_is_drawn_for_each_connection(link: OpenLink) -> None:
    """Of forty connections some are hit and some are not, and one that is hit stays so."""
    put(link, "limit_data", toxicity=0.5, bytes=2)
    hit = []
    for _ in range(40):
        with connect(link) as sock:
            sock.sendall(b"four")
            hit.append(exactly(sock, 4) == b"fo")
            if not hit[-1]:
                assert round_trip_s(sock) < LATE_S
    assert 5 <= sum(hit) <= 35


def test_a_toxicity_of_zero_hits_nobody(link: OpenLink) -> None:
    """And nobody is told of a hit."""
    put(link, "timeout", toxicity=0, timeout=0)
    with connect(link) as sock:
        assert round_trip_s(sock) < LATE_S
    assert not link.events("poisoned")


def test_the_first_bytes_are_told(link: OpenLink) -> None:
    """Once for each link and toxic, when bytes came to it, not when it was put there."""
    name = put(link, "latency", latency=1)
    assert not link.events("poisoned")
    with connect(link) as sock:
        for _ in range(3):
            round_trip_s(sock)
        event = link.wait("poisoned", label=name)
    assert event.facts["attributes"] == {"latency": 1, "jitter": 0}
    assert len(link.events("poisoned")) == 1
    assert [one["name"] for one in link.links.snapshot()[link.name].toxics] == [name]


def test_a_name_is_taken_once(link: OpenLink) -> None:
    """In whichever direction; and what is not there cannot be taken away."""
    name = put(link, "latency", latency=1)
    with pytest.raises(UsageError, match="is taken on"):
        put(link, "latency", latency=2)
    take(link, name)
    assert link.links.remove_toxic(link.name, name) == ()
    with pytest.raises(UsageError, match="is unknown"):
        link.links.remove_toxic("no.such", name)


def test_toxics_come_and_go_while_data_flows(link: OpenLink) -> None:
    """Every byte arrives once and in order, whatever is put there and taken away meanwhile."""
    data = bytes(range(256)) * 4000
    got: list[bytes] = []
    with connect(link) as sock:
        reader = threading.Thread(target=lambda: got.append(exactly(sock, len(data))))
        reader.start()
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        for turn in range(10):
            names = [
                put(link, "latency", "downstream", latency=5, jitter=5),
                put(link, "slicer", "upstream", average_size=500 + turn, size_variation=50, delay=10),
                put(link, "bandwidth", "downstream", rate=20_000),
            ]
            for name in names if turn % 2 else reversed(names):
                take(link, name)
        sender.join(LATE_S)
        reader.join(LATE_S)
    assert got == [data]
