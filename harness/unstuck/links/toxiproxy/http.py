"""A small HTTP/1.1 server: requests with a body of known size or in chunks, answered one after another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

HEAD_BYTES_MAX = 32 * 1024
BODY_BYTES_MAX = 4 * 1024 * 1024
IDLE_S = 60.0
READ_S = 15.0
NO_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` is decoded and has no query; `headers` have names in lower case, the last of a name wins."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


class BadRequest(Exception):  # noqa: N818  it is what it says: the client's, not ours
    """What came is not HTTP that we take; the connection ends behind the answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


async def serve_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler
) -> None:
    """Answers until either side ends, or nothing came for a minute. Never raises for what the peer does."""
    try:
        with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            while await _answered(reader, writer, handle):
                await writer.drain()
    finally:
        writer.close()


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler) -> bool:
    """Answers whatever comes next; whether more may come."""
    try:
        return await _one(reader, writer, handle)
    except BadRequest as error:
        body = f"{error}\n".encode()
        _write(writer, Response(status=error.status, body=body, headers=PLAIN), stays=False)
        return False


PLAIN = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler) -> bool:
    """Answers one request; whether another may follow."""
    async with asyncio.timeout(IDLE_S):
        head = await _head(reader)
    if head is None:
        return False
    method, target, version, headers = head
    async with asyncio.timeout(READ_S):
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _body(reader, headers)
    path = unquote(target.partition("?")[0])
    response = await handle(Request(method=method, path=path, headers=headers, body=body))
    asked = headers.get("connection", "").lower()
    stays = asked != "close" if version == "HTTP/1.1" else asked == "keep-alive"
    _write(writer, response, stays=stays)
    return stays


async def _head(reader: asyncio.StreamReader) -> tuple[str, str, str, dict[str, str]] | None:
    """Method, target, version and headers; None when the peer has ended between two requests."""
    try:
        data = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial.strip():
            return None
        raise BadRequest(400, "400 Bad Request") from None
    except asyncio.LimitOverrunError:
        raise BadRequest(431, "431 Request Header Fields Too Large") from None
    first, *lines = data.decode("latin-1").lstrip("\r\n").rstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not words[1].startswith("/"):
        raise BadRequest(400, "400 Bad Request")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(400, "400 Bad Request")
        headers[name.lower()] = value.strip()
    return words[0], words[1], words[2], headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    encoding = headers.get("transfer-encoding")
    if encoding is not None:
        if encoding.lower() != "chunked" or "content-length" in headers:
            raise BadRequest(400, "400 Bad Request")
        return await _chunks(reader)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(400, "400 Bad Request")
    return await reader.readexactly(_checked(length, 10))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        size = _checked((await _line(reader)).partition(";")[0].strip(), 16)
        if size == 0:
            break
        total += size
        _checked(str(total), 10)
        parts.append(await reader.readexactly(size))
        if await _line(reader):
            raise BadRequest(400, "400 Bad Request")
    while await _line(reader):  # trailers
        pass
    return b"".join(parts)


async def _line(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n")).decode("latin-1").rstrip("\r\n")
    except asyncio.LimitOverrunError:
        raise BadRequest(400, "400 Bad Request") from None


def _checked(text: str, base: int) -> int:
    """A size from the wire, within what we take."""
    try:
        size = int(text, base) if len(text) <= 16 and text.isalnum() else -1
    except ValueError:
        size = -1
    if size < 0 and len(text) <= 16:
        raise BadRequest(400, "400 Bad Request")
    if size < 0 or size > BODY_BYTES_MAX:
        raise BadRequest(413, "413 Request Entity Too Large")
    return size


def _write(writer: asyncio.StreamWriter, response: Response, *, stays: bool) -> None:
    status = HTTPStatus(response.status)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status not in NO_BODY:
        lines.append(f"Content-Length: {len(response.body)}")
    if not stays:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    writer.write(head + (b"" if response.status in NO_BODY else response.body))
