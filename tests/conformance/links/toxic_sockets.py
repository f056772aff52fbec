"""Puts toxics on links, and looks at what they do to sockets."""

from __future__ import annotations

import socket
from typing import Any

from tests.conformance.links.conftest import OpenLink
from unstuck.clock import monotonic_ns
from unstuck.links.toxics.port import Stream, Toxic
from unstuck.links.toxics.text import behaviour_of

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
