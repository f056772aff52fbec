"""Toxics that end connections, or delay their end, on real sockets. Lower bounds are exact."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from tests.conformance.links.conftest import OpenLink
from tests.conformance.links.toxic_sockets import (
    LATE_S,
    comes_nothing,
    connect,
    exactly,
    monotonic,
    put,
    round_trip_s,
    take,
)
from unstuck.links.toxics.port import Stream

Open = Callable[[int, str], OpenLink]


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
