"""Where a link listens: a port that stays ours while the link is down, or an address that somebody chose."""

from __future__ import annotations

import socket
from typing import Protocol

LOOPBACK = "127.0.0.1"


class Listening(Protocol):
    """An address, and the sockets that listen there, one at a time."""

    host: str
    port: int  # 0: none yet

    def bind(self) -> socket.socket:
        """A new socket, bound. Raises `OSError`."""
        ...

    def release(self) -> None:
        """Gives the address back."""
        ...


class GuardedPort:
    """A free port of the loopback.

    It stays ours while the link is down: a second socket is bound to it that never listens, so that
    connections are refused, and nobody else can take the port.
    """

    host = LOOPBACK

    def __init__(self) -> None:
        self.port = 0
        self._guard = self.bind()
        self.port = self._guard.getsockname()[1]

    def bind(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # with others of this process only
            sock.bind((LOOPBACK, self.port))
        except OSError:
            sock.close()
            raise
        return sock

    def release(self) -> None:
        self._guard.close()


class ChosenAddress:
    """An address of a user's choice; port 0 becomes a free one with the first `bind`.

    Nobody holds it while nothing listens there, as with any server.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.host, self.port))
            self.port = sock.getsockname()[1]
            sock.listen(1)  # only now is it known that nobody else listens there
        except OSError:
            sock.close()
            raise
        return sock

    def release(self) -> None:
        """Nothing is held."""
