"""Loopback ports: the harness and all that it starts listen on 127.0.0.1 and nowhere else."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from pathlib import Path

LOOPBACK = "127.0.0.1"

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_FROM = 49152  # where IANA's range begins, and that of systems without /proc
_LOWEST = 10_000
_TRIES = 200

_lock = threading.Lock()
_given: set[int] = set()


def free_port() -> int:
    """A TCP port of the loopback that nobody uses, and that this process has not given out before.

    It lies below the range from which the system takes the ports of outgoing connections and of
    servers that ask for any port: from that range, a port that is free now is soon somebody else's.
    Another harness can still take it before its user binds it, so whoever starts a server on it has to
    be ready to try again.
    """
    low, high = _LOWEST, _ephemeral_from()
    if high - low < _TRIES:
        return _any_port()
    for _ in range(_TRIES):
        port = low + secrets.randbelow(high - low)
        with _lock:
            if len(_given) > (high - low) // 2:
                _given.clear()  # a long campaign: the first ones have been free again for long
            if port in _given:
                continue
            _given.add(port)
        if _can_bind(port):
            return port
    return _any_port()


def is_answered(host: str, port: int) -> bool:
    """Whether somebody accepts connections there now, as far as we can know: not without a descriptor."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(0.5)
        return client.connect_ex((host, port)) == 0
    return False


def _ephemeral_from() -> int:
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _EPHEMERAL_FROM


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _any_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
