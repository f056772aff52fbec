"""The server of the API: where it listens, and everything that ends with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any, Self

from unstuck.errors import UsageError
from unstuck.links.listening import ChosenAddress
from unstuck.links.toxiproxy.addresses import Address, resolve
from unstuck.links.toxiproxy.http import HEAD_BYTES_MAX, serve_connection
from unstuck.links.toxiproxy.problem import ApiError
from unstuck.links.toxiproxy.proxies import ApiProxy, Proxies, ProxyFields
from unstuck.links.toxiproxy.routes import Routes


class ApiServer:
    """Serves from `start` to the end of its `async with`, which closes every proxy.

    `report` hears of what a connection broke by a bug of ours (see `unstuck.links.client.LinkEvent`).
    """

    def __init__(
        self,
        *,
        seed: int,
        allow_remote: bool = False,
        with_metrics: bool = False,
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        self.proxies = Proxies(seed=seed, allow_remote=allow_remote, report=report)
        self._allow_remote = allow_remote
        self._routes = Routes(self.proxies, with_metrics=with_metrics)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, api: str) -> Address:
        """Where it listens. Raises `UsageError` when it cannot, or when that is off the loopback."""
        try:
            wanted = await resolve(api)
        except UsageError as error:
            raise UsageError(f"api={api!r}: {error}. Write HOST:PORT, as 127.0.0.1:8474.") from None
        if not (wanted.on_loopback or self._allow_remote):
            raise UsageError(
                f"api={api!r} is not on this machine's loopback: whoever reaches it could cut your service "
                "off. Listen on 127.0.0.1, or add --allow-remote."
            )
        listening = ChosenAddress(*wanted)
        try:
            sock = listening.bind()
        except OSError as error:
            why = os.strerror(error.errno or 0).lower()
            raise UsageError(f"api={api!r} cannot be had: {why}. Take another port, or port 0.") from None
        self._server = await asyncio.start_server(self._serve, sock=sock, limit=HEAD_BYTES_MAX)
        return Address(listening.host, listening.port)

    async def populate(self, wanted: Sequence[ProxyFields]) -> list[ApiProxy]:
        """As `POST /populate`. Raises `UsageError` at the first that cannot be had."""
        made: list[ApiProxy] = []
        try:
            async with self.proxies.lock:
                await self.proxies.populate(wanted, made)
        except ApiError as error:
            raise UsageError(f"proxy {wanted[len(made)].name!r}: {error}.") from None
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        self.proxies.close()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await serve_connection(reader, writer, self._routes.answer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._connections.discard(task)
