"""Where an HTTP/1.1 body ends, found incrementally and without keeping it."""

from __future__ import annotations

from typing import Protocol

LINE_BYTES_MAX = 16 * 1024


class BadBodyError(Exception):
    """The bytes are not a body of the announced kind."""


class Body(Protocol):
    """`wire_size` counts the bytes of the body seen so far, as they travel."""

    wire_size: int

    def consume(self, data: bytes | bytearray, start: int) -> tuple[int, bool]:
        """Reads on at `start`; the position behind what belongs to the body, and whether it has ended.

        Raises `BadBodyError`.
        """
        ...


class LengthBody:
    """`Content-Length: n`."""

    def __init__(self, length: int) -> None:
        self.wire_size = 0
        self._left = length

    def consume(self, data: bytes | bytearray, start: int) -> tuple[int, bool]:
        taken = min(self._left, len(data) - start)
        self._left -= taken
        self.wire_size += taken
        return start + taken, self._left == 0


class EndlessBody:
    """A reply without a length: it ends when the connection does."""

    def __init__(self) -> None:
        self.wire_size = 0

    def consume(self, data: bytes | bytearray, start: int) -> tuple[int, bool]:
        self.wire_size += len(data) - start
        return len(data), False


class ChunkedBody:
    """`Transfer-Encoding: chunked`, with extensions and trailers.

    With `keep_bytes_max`, `payload` collects the decoded body up to that many bytes.
    """

    def __init__(self, keep_bytes_max: int = 0) -> None:
        self.wire_size = 0
        self.payload = bytearray()
        self._keep_bytes_max = keep_bytes_max
        self._line = bytearray()  # of a chunk's size, or of a trailer, while it is incomplete
        self._left = 0  # bytes of the current chunk, with the CRLF behind it
        self._in_trailers = False

    def consume(self, data: bytes | bytearray, start: int) -> tuple[int, bool]:
        position = start
        done = False
        while position < len(data) and not done:
            if self._left:
                position = self._skip_chunk(data, position)
            else:
                position, done = self._read_line(data, position)
        self.wire_size += position - start
        return position, done

    def _skip_chunk(self, data: bytes | bytearray, position: int) -> int:
        taken = min(self._left, len(data) - position)
        if self._keep_bytes_max:
            payload = min(taken, max(0, self._left - 2))
            room = self._keep_bytes_max - len(self.payload)
            self.payload += data[position : position + min(payload, room)]
        self._left -= taken
        return position + taken

    def _read_line(self, data: bytes | bytearray, position: int) -> tuple[int, bool]:
        end = data.find(b"\n", position)
        if end < 0:
            self._line += data[position:]
            if len(self._line) > LINE_BYTES_MAX:
                raise BadBodyError("chunk line is too long")
            return len(data), False
        line = bytes(self._line + data[position:end]).rstrip(b"\r")
        self._line.clear()
        if self._in_trailers:
            return end + 1, not line
        try:
            size = int(line.split(b";", 1)[0], 16)
        except ValueError:
            raise BadBodyError("chunk size is not a number") from None
        if size < 0:
            raise BadBodyError("chunk size is below zero")
        if size == 0:
            self._in_trailers = True
        else:
            self._left = size + 2
        return end + 1, False
