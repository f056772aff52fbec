"""Loopback ports: the harness and all that it starts listen on 127.0.0.1 and nowhere else."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A TCP port of the loopback that was free a moment ago.

    Somebody else can take it before its user binds it. Whoever starts a server on it has to be ready
    to try again with another one.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


def is_answered(host: str, port: int) -> bool:
    """Whether somebody accepts connections there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(0.5)
        return client.connect_ex((host, port)) == 0
