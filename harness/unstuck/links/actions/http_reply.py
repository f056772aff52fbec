"""Writes whole HTTP/1.1 replies."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from unstuck.links.framers.http1 import HttpExchange


def http_reply(
    exchange: HttpExchange, *, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a reply to `exchange`; a reply to HEAD, 204 and 304 carry no body."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Injected"
    fields = {"Content-Length": str(len(body)), **(headers or {})}
    if status in (204, 304):
        fields.pop("Content-Length", None)
    if exchange.method == "HEAD" or status in (204, 304):
        body = b""
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
