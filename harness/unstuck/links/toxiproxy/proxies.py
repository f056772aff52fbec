"""The proxies of a server by their names: what the API does, without HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unstuck.errors import UsageError
from unstuck.links.listening import ChosenAddress
from unstuck.links.proxy import Link
from unstuck.links.rules import RuleBook
from unstuck.links.toxics.text import encode_toxic
from unstuck.links.toxiproxy.addresses import Address, resolve, split_address
from unstuck.links.toxiproxy.problem import ApiError, proxy_exists, proxy_not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFields:
    """What a client says of a proxy. `listen` and `upstream` as it wrote them."""

    name: str
    listen: str
    upstream: str
    enabled: bool


class ApiProxy:
    """A link that a client has named. Its toxics stay whatever else of it changes."""

    def __init__(self, fields: ProxyFields, *, seed: int, report: Callable[[dict[str, Any]], None]) -> None:
        self.name = fields.name
        self.listen = fields.listen
        self.upstream = fields.upstream
        self.enabled = False
        host, port = _dialled(fields.upstream)
        self.link = Link(
            name=fields.name, upstream_host=host, upstream_port=port, framer_name="raw", rules=RuleBook(),
            report=report, seed=seed, listening=ChosenAddress("127.0.0.1", 0),
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": [encode_toxic(toxic) for toxic in self.link.toxics],
        }

    async def start(self, address: Address) -> None:
        """Nothing where it runs already. From here on `listen` is where it really listens.

        Raises `ApiError` when the address cannot be had.
        """
        if self.enabled:
            return
        self.link.listening = ChosenAddress(*address)
        try:
            await self.link.listen()
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else str(error)
            raise ApiError(f"listen tcp {address}: bind: {why}", 500) from None
        self.listen = str(Address(*self.link.address))
        self.enabled = True

    def stop(self) -> None:
        """Closes its connections and refuses new ones."""
        self.enabled = False
        self.link.stop()

    def lead(self, *, listen: str, upstream: str) -> None:
        """Somewhere else, from the next start on."""
        self.listen, self.upstream = listen, upstream
        self.link.upstream_host, self.link.upstream_port = _dialled(upstream)


class Proxies:
    """All proxies. Whoever changes something holds `lock`, so that nobody sees it half done.

    Unless `allow_remote`, nothing ever listens off the loopback.
    """

    def __init__(self, *, seed: int, allow_remote: bool, report: Callable[[dict[str, Any]], None]) -> None:
        self.lock = asyncio.Lock()
        self._seed = seed
        self._allow_remote = allow_remote
        self._report = report
        self._proxies: dict[str, ApiProxy] = {}

    def all(self) -> Mapping[str, ApiProxy]:
        """In the order of their names."""
        return dict(sorted(self._proxies.items()))

    def get(self, name: str) -> ApiProxy:
        """Raises `ApiError`."""
        if name not in self._proxies:
            raise proxy_not_found()
        return self._proxies[name]

    async def create(self, fields: ProxyFields) -> ApiProxy:
        """Raises `ApiError`; nothing is left then."""
        if fields.name in self._proxies:
            raise proxy_exists()
        proxy = await self._made(fields)
        self._proxies[fields.name] = proxy
        return proxy

    async def update(self, proxy: ApiProxy, fields: ProxyFields) -> None:
        """Another address means that connections are closed; toxics stay. Raises `ApiError`."""
        address = await self._address(fields.listen)
        if (proxy.listen, proxy.upstream) != (str(address), fields.upstream):
            proxy.stop()
            proxy.lead(listen=fields.listen, upstream=fields.upstream)
        if fields.enabled:
            await proxy.start(address)
        else:
            proxy.stop()

    async def populate(self, wanted: Sequence[ProxyFields], made: list[ApiProxy]) -> None:
        """Each is made, kept as it is where its addresses are the same, or made anew, without toxics.

        `made` gets them one by one. Raises `ApiError` at the first that cannot be had; those before it
        stay.
        """
        for fields in wanted:
            existing = self._proxies.get(fields.name)
            if existing is not None:
                address = await self._address(fields.listen)
                if (existing.listen, existing.upstream) == (str(address), fields.upstream):
                    made.append(existing)
                    continue
                existing.stop()
            self._proxies[fields.name] = proxy = await self._made(fields)
            made.append(proxy)

    async def reset(self) -> None:
        """Every proxy runs, without toxics. Raises `ApiError` at the first that cannot."""
        for proxy in self.all().values():
            await proxy.start(await self._address(proxy.listen))
            proxy.link.toxics.clear()

    def remove(self, name: str) -> None:
        """Raises `ApiError`."""
        self.get(name).stop()
        del self._proxies[name]

    def close(self) -> None:
        """Resets every connection and gives every port back."""
        for proxy in self._proxies.values():
            proxy.link.close()
        self._proxies.clear()

    async def _made(self, fields: ProxyFields) -> ApiProxy:
        proxy = ApiProxy(fields, seed=self._seed, report=self._report)
        if fields.enabled:
            await proxy.start(await self._address(fields.listen))
        return proxy

    async def _address(self, listen: str) -> Address:
        try:
            address = await resolve(listen)
        except UsageError as error:
            raise ApiError(str(error), 500) from None
        if not (address.on_loopback or self._allow_remote):
            raise ApiError(
                f"listen={listen!r} is not on this machine's loopback. Listen on 127.0.0.1, or start the "
                "proxy with --allow-remote",
                400,
            )
        return address


def _dialled(upstream: str) -> tuple[str, int]:
    """Where to connect; port 0, which refuses, for what is no address. It is looked up when needed."""
    try:
        host, port = split_address(upstream)
    except UsageError:
        return upstream, 0
    return host or "127.0.0.1", int(port) if port.isascii() and port.isdigit() else 0
