"""Toxics do to real sockets what Toxiproxy's do, on connections that are open as on new ones.

Lower bounds are exact: nothing may come early. Upper bounds only keep a broken toxic from hanging a test.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conformance.links.conftest import OpenLink
from tests.conformance.links.servers import EchoServer
from unstuck.clock import monotonic_ns
from unstuck.errors import UsageError
from unstuck.links.toxics.port import Stream, Toxic
from unstuck.links.toxics.text import behaviour_of

Open = Callable[[int, str], OpenLink]
LATE_S = 10.0  # a busy machine may take long, but not so long


def monotonic() -> float:
    return monotonic_ns() / 1e9


def put(
    link: OpenLink, kind: str, stream: Stream = "downstream", *, toxicity: float = 1.0, **attributes: Any
) -> str:
    """A toxic on the link; its name."""
    toxic = Toxic(
        name=f"{kind}_{stream}", stream=stream, toxicity=toxicity, behaviour=behaviour_of(kind, attributes)
    )
    assert link.links.add_toxic(link.name, toxic) == (link.name,)
    return toxic.name


def take(link: OpenLink, name: str) -> None:
    assert link.links.remove_toxic(link.name, name) == (link.name,)


def connect(link: OpenLink) -> socket.socket:
    sock = socket.create_connection((link.host, link.port), timeout=LATE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := sock.recv(size - len(data))):
        data += more
    return data


def round_trip_s(sock: socket.socket, data: bytes = b"ping") -> float:
    start = monotonic()
    sock.sendall(data)
    assert exactly(sock, len(data)) == data
    return monotonic() - start


def is_quick(sock: socket.socket) -> bool:
    """True when one of a few round trips takes less than 0.3 s: the machine may be busy for a while."""
    return any(round_trip_s(sock) < 0.3 for _ in range(20))


def comes_nothing(sock: socket.socket, within_s: float = 0.3) -> bool:
    """True when the socket stays silent and open for so long."""
    sock.settimeout(within_s)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(LATE_S)
    return False


@pytest.fixture
def link(open_link: Open, echo: EchoServer) -> OpenLink:
    return open_link(echo.port, "raw")


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LATE_S)
        yield listener


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
        with server, pytest.raises(TimeoutError):
            sock.sendall(b"x" * size)
        take(link, name)


# slow_close, timeout, limit_data, reset_peer


def test_slow_close_delays_the_end(open_link: Open, upstream: socket.socket) -> None:
    """Data is not late, the end of the stream is."""
    link = open_link(upstream.getsockname()[1], "raw")
    put(link, "slow_close", "downstream", delay=1500)
    with connect(link) as sock:
        server, _ = upstream.accept()
        start = monotonic()
        server.sendall(b"bye")
        server.close()
        assert exactly(sock, 3) == b"bye"
        assert monotonic() - start < 1.5
        assert sock.recv(1) == b""
        assert monotonic() - start >= 1.5


def test_removing_slow_close_lets_the_end_go(open_link: Open, upstream: socket.socket) -> None:
    """Its minute is not waited for."""
    link = open_link(upstream.getsockname()[1], "raw")
    name = put(link, "slow_close", "downstream", delay=60_000)
    with connect(link) as sock:
        upstream.accept()[0].close()
        assert comes_nothing(sock)
        take(link, name)
        assert sock.recv(1) == b""


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_timeout_stops_data_and_closes_after_a_silence(link: OpenLink, stream: Stream) -> None:
    """Each byte starts the time again, and both sides see the end."""
    put(link, "timeout", stream, timeout=1500)
    with connect(link) as sock:
        sock.sendall(b"one")
        threading.Event().wait(0.5)
        start = monotonic()
        sock.sendall(b"two")
        assert sock.recv(10) in (b"", b"|end")  # our echo says so when its client ends first
        assert monotonic() - start >= 1.5


def test_a_timeout_of_zero_never_closes(link: OpenLink) -> None:
    """Data goes nowhere until the toxic goes; then the connection closes, as bytes are missing."""
    with connect(link) as sock:
        assert round_trip_s(sock) < LATE_S
        name = put(link, "timeout", timeout=0)
        sock.sendall(b"lost")
        assert comes_nothing(sock)
        take(link, name)
        assert sock.recv(10) == b""
    with connect(link) as sock:
        assert round_trip_s(sock) < LATE_S


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_limit_data_closes_after_so_many_bytes(
    open_link: Open, upstream: socket.socket, stream: Stream
) -> None:
    """Those before the limit arrive, the one behind it never does, and both sides see the end."""
    link = open_link(upstream.getsockname()[1], "raw")
    put(link, "limit_data", stream, bytes=100)
    with connect(link) as client:
        server, _ = upstream.accept()
        server.settimeout(LATE_S)
        with server:
            source, peer = (client, server) if stream == "upstream" else (server, client)
            source.sendall(b"x" * 60)
            assert exactly(peer, 60) == b"x" * 60
            source.sendall(b"y" * 60)
            assert exactly(peer, 1000) == b"y" * 40
            peer.close()
            assert source.recv(1) == b""


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_reset_peer_resets_after_its_time(link: OpenLink, stream: Stream) -> None:
    """An RST and no orderly end, counted from the first byte."""
    with connect(link) as sock:
        put(link, "reset_peer", stream, timeout=300)
        assert comes_nothing(sock)
        start = monotonic()
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
        assert monotonic() - start >= 0.3


def test_removing_reset_peer_brings_the_reset_forward(link: OpenLink) -> None:
    """The byte that started its time is gone, so the connection cannot live on."""
    name = put(link, "reset_peer", "upstream", timeout=60_000)
    with connect(link) as sock:
        sock.sendall(b"x")
        link.wait("poisoned", label=name)
        take(link, name)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


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
