"""Whether a process is ready: by its log, its URL or its port. Never blocks, costs little."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from urllib.parse import urlsplit

from unstuck import clock
from unstuck.worlds.process.logs import Cut
from unstuck.worlds.process.ports import LOOPBACK

_PAUSE_FIRST_S = 0.003
_PAUSE_GROWTH = 1.1
_PAUSE_MAX_S = 0.05
_CHUNK_BYTES = 1024 * 1024
_CHUNKS_A_LOOK = 8
ANSWER_WITHIN_S = 0.7  # then a connection without an answer is dropped, and made anew; for twice as long
_ANSWER_WITHIN_MAX_S = 8.0


def loopback_address(url: str) -> tuple[str, int] | None:
    """Host and port of an http URL on the loopback; None for anything else."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in {LOOPBACK, "localhost"}:
        return None
    return LOOPBACK, parts.port or 80


class LineProbe:
    """Reads a log from `offset` on until a line contains `text`, which is one line or a part of one.

    Neither memory nor the length of a look grows with what a process writes.
    """

    def __init__(self, log: str, offset: int, text: str) -> None:
        self._log = log
        self._offset = offset
        self._text = text.encode()
        self._rest = b""

    def ready(self) -> bool:
        with contextlib.suppress(OSError), open(self._log, "rb") as file:
            file.seek(self._offset)
            for _ in range(_CHUNKS_A_LOOK):
                data = file.read(_CHUNK_BYTES)
                self._offset += len(data)
                # A line that is still being written already counts once it contains the text.
                seen = self._rest + data
                if self._text in seen:
                    return True
                self._rest = seen[max(0, len(seen) - len(self._text) + 1) :]
                if len(data) < _CHUNK_BYTES:
                    break
        return False

    def was_cut(self, cut: Cut) -> None:
        """It goes on where it was: what a predecessor wrote stays behind it."""
        if cut.head_bytes < self._offset < cut.tail_from:
            self._rest = b""  # what followed it is gone
        self._offset = cut.place_of(self._offset)

    def close(self) -> None:
        """Nothing is held between two looks."""


class UrlProbe:
    """Asks a URL; one connection at a time, looked at again and again. No look waits for anybody."""

    def __init__(self, url: str, *, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        """`answer_within_s`: so old is the first connection that is dropped. The next one gets twice the
        time: whoever accepted may be gone, and may as well be slow.
        """
        address = loopback_address(url)
        assert address is not None, "checked before the start"
        self._address = address
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._request = f"GET {target} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self._answer_within_ns = int(answer_within_s * 1e9)
        self._client: socket.socket | None = None
        self._unsent = b""
        self._answer = b""
        self._until_ns = 0

    def ready(self) -> bool:
        try:
            if self._client is None:
                self._connect()
            if self._ask():
                return True
        except OSError as error:
            # Not accepted yet (its backlog is full; macOS says ENOTCONN), or no answer yet.
            if error.errno not in {errno.EAGAIN, errno.ENOTCONN}:
                self.close()
        if self._client is not None and clock.monotonic_ns() >= self._until_ns:
            self.close()
            self._answer_within_ns = min(2 * self._answer_within_ns, int(_ANSWER_WITHIN_MAX_S * 1e9))
        return False

    def _connect(self) -> None:
        self._client, self._unsent, self._answer = _connecting(self._address), self._request, b""
        self._until_ns = clock.monotonic_ns() + self._answer_within_ns

    def _ask(self) -> bool:
        assert self._client is not None
        while self._unsent:
            self._unsent = self._unsent[self._client.send(self._unsent) :]
        data = self._client.recv(4096)
        self._answer += data
        status_line, separator, _ = self._answer.partition(b"\r\n")
        if separator or not data:
            self.close()
        fields = status_line.split()
        return bool(separator) and len(fields) > 1 and fields[1] == b"200"

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class PortProbe:
    """Whether a connection to a port of the loopback is accepted; it is closed again at once."""

    def __init__(self, port: int) -> None:
        self._address = (LOOPBACK, port)
        self._client: socket.socket | None = None

    def ready(self) -> bool:
        try:
            if self._client is None:
                self._client = _connecting(self._address)
            error = self._client.connect_ex(self._address)  # again: what has become of it
            if error in {errno.EALREADY, errno.EINPROGRESS}:
                return False
            # A socket that was given this very port by the system may get connected to itself.
            accepted = error in {0, errno.EISCONN} and self._client.getsockname() != self._address
        except OSError:  # refused, or no descriptor for it now
            accepted = False
        self.close()
        return accepted

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _connecting(address: tuple[str, int]) -> socket.socket:
    """A socket that is connected, or will be. Raises `OSError` when it is refused, or cannot be had."""
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        client.settimeout(0)
        client.connect(address)
    except BlockingIOError:
        pass
    except OSError:
        client.close()
        raise
    return client


Probe = LineProbe | UrlProbe | PortProbe


class Pauses:
    """How long to wait between two looks: 3 ms first, a tenth longer each time, 50 ms at most."""

    def __init__(self) -> None:
        self._next_s = _PAUSE_FIRST_S

    def next_ns(self) -> int:
        pause_s = self._next_s
        self._next_s = min(pause_s * _PAUSE_GROWTH, _PAUSE_MAX_S)
        return int(pause_s * 1e9)


def log_tail(log: str, offset: int, lines_max: int = 5) -> str:
    """The last lines that a log got since `offset`, on one line; empty when there are none."""
    try:
        with open(log, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(offset, size - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-lines_max:])
