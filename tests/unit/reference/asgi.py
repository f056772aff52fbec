"""Asks an ASGI application without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from reference_service.api import App

Sent = list[Any]


def ask(
    app: App,
    method: str,
    path: str,
    *,
    body: bytes,
    headers: Iterable[tuple[str, str]],
    sent: Sent | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; `sent` gets the messages as they come, should the application raise."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.encode(), value.encode()) for key, value in headers],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    told: Sent = [] if sent is None else sent

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    async def serve() -> None:
        await app(scope, receive, send)

    asyncio.run(serve())
    given = {key.decode(): value.decode() for key, value in told[0]["headers"]}
    return told[0]["status"], given, b"".join(message.get("body", b"") for message in told[1:])
