"""From a request to what the proxies do, and to Toxiproxy's answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from unstuck import __version__
from unstuck.links.toxics.text import encode_toxic
from unstuck.links.toxiproxy.body import field, lowered, read_value
from unstuck.links.toxiproxy.http import PLAIN, Request, Response
from unstuck.links.toxiproxy.metrics import metrics
from unstuck.links.toxiproxy.problem import ApiError, bad_body, missing_field
from unstuck.links.toxiproxy.proxies import ApiProxy, Proxies, ProxyFields
from unstuck.links.toxiproxy.toxics import add_toxic, known_toxic, update_toxic

VERSION: Final = f"2.12.0+unstuck.{__version__}"
"""Toxiproxy's version whose API this is, and in the build metadata whose it is."""

JSON: Final = {"Content-Type": "application/json"}
Act = Callable[..., Awaitable[Response]]
Path = tuple[str | None, ...]
"""Words between slashes; None stands for a name."""


class Routes:
    """Answers every request; a client's mistake is an answer, too."""

    def __init__(self, proxies: Proxies, *, with_metrics: bool) -> None:
        self._proxies = proxies
        self._numbers = itertools.count(1)
        self._table: dict[Path, dict[str, Act]] = {
            ("reset",): {"POST": self._reset},
            ("populate",): {"POST": self._populate},
            ("version",): {"GET": self._version},
            ("proxies",): {"GET": self._index, "POST": self._create},
            ("proxies", None): {
                "GET": self._show, "POST": self._update, "PATCH": self._update, "DELETE": self._delete,
            },
            ("proxies", None, "toxics"): {"GET": self._toxics, "POST": self._add_toxic},
            ("proxies", None, "toxics", None): {
                "GET": self._show_toxic, "POST": self._update_toxic, "PATCH": self._update_toxic,
                "DELETE": self._remove_toxic,
            },
        }  # fmt: skip
        if with_metrics:
            self._table[("metrics",)] = {"GET": self._metrics}

    async def answer(self, request: Request) -> Response:
        words = request.path.split("/")[1:]
        path = next((path for path in self._table if _fits(path, words)), None)
        if path is None:
            return _plain(404, "404 page not found")
        act = self._table[path].get(request.method)
        if act is None:
            return Response(status=405)
        named = {"X-Toxiproxy-Request-Id": f"{next(self._numbers):020x}"}
        if request.headers.get("user-agent", "").startswith("Mozilla/"):
            response = _plain(403, "User agent not allowed")  # no page of the web may break a service
        else:
            names = [word for word, known in zip(words, path, strict=True) if known is None]
            response = await self._done(act(request.body, *names))
        return Response(status=response.status, body=response.body, headers={**named, **response.headers})

    async def _done(self, work: Awaitable[Response]) -> Response:
        async with self._proxies.lock:
            try:
                response = await work
            except ApiError as error:
                return _plain(error.status, _text({"error": str(error), "status": error.status}))
        return response

    # --- proxies

    async def _index(self, _body: bytes) -> Response:
        return _json(200, {name: proxy.as_json() for name, proxy in self._proxies.all().items()})

    async def _create(self, body: bytes) -> Response:
        fields = _fields(lowered(read_value(body), "toxiproxy.Proxy"))
        if not fields.name:
            raise missing_field("name")
        if not fields.upstream:
            raise missing_field("upstream")
        proxy = await self._proxies.create(fields)
        return _json(201, proxy.as_json())

    async def _show(self, _body: bytes, name: str) -> Response:
        return _json(200, self._proxies.get(name).as_json())

    async def _update(self, body: bytes, name: str) -> Response:
        proxy = self._proxies.get(name)
        given = lowered(read_value(body), "toxiproxy.Proxy")
        now = ProxyFields(name=name, listen=proxy.listen, upstream=proxy.upstream, enabled=proxy.enabled)
        await self._proxies.update(proxy, _fields(given, now))
        return _json(200, proxy.as_json())

    async def _delete(self, _body: bytes, name: str) -> Response:
        self._proxies.remove(name)
        return Response(status=204)

    async def _populate(self, body: bytes) -> Response:
        made: list[ApiProxy] = []
        problem: dict[str, Any] = {}
        status = 201
        try:
            await self._proxies.populate(read_proxies(body), made)
        except ApiError as error:
            status = error.status
            problem = {"error": str(error), "status": status}
        return _json(status, {**problem, "proxies": [proxy.as_json() for proxy in made] or None})

    async def _reset(self, _body: bytes) -> Response:
        await self._proxies.reset()
        return Response(status=204)

    # --- toxics

    async def _toxics(self, _body: bytes, name: str) -> Response:
        return _json(200, [encode_toxic(toxic) for toxic in self._proxies.get(name).link.toxics])

    async def _add_toxic(self, body: bytes, name: str) -> Response:
        return _json(200, encode_toxic(add_toxic(self._proxies.get(name).link.toxics, body)))

    async def _show_toxic(self, _body: bytes, name: str, toxic: str) -> Response:
        return _json(200, encode_toxic(known_toxic(self._proxies.get(name).link.toxics, toxic)))

    async def _update_toxic(self, body: bytes, name: str, toxic: str) -> Response:
        return _json(200, encode_toxic(update_toxic(self._proxies.get(name).link.toxics, toxic, body)))

    async def _remove_toxic(self, _body: bytes, name: str, toxic: str) -> Response:
        toxics = self._proxies.get(name).link.toxics
        toxics.remove(known_toxic(toxics, toxic).name)
        return Response(status=204)

    # --- the server

    async def _version(self, _body: bytes) -> Response:
        body = f'{{"version": "{VERSION}"}}\n'.encode()
        return Response(status=200, body=body, headers={"Content-Type": "application/json;charset=utf-8"})

    async def _metrics(self, _body: bytes) -> Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return Response(status=200, body=metrics(self._proxies.all().values()), headers=headers)


def _fits(path: Path, words: list[str]) -> bool:
    return len(path) == len(words) and all(
        word == known or (known is None and word) for word, known in zip(words, path, strict=True)
    )


def read_proxies(body: bytes) -> list[ProxyFields]:
    """The list that `populate` and a configuration file hold. Raises `ApiError`, before anything is made."""
    value = read_value(body)
    if not isinstance(value, list | None):
        raise bad_body("json: cannot unmarshal object into Go value of type []toxiproxy.Proxy")
    wanted = [_fields(lowered(one, "toxiproxy.Proxy")) for one in value or ()]
    for number, fields in enumerate(wanted, 1):
        if not fields.name:
            raise missing_field(f"name at proxy {number}")
        if not fields.upstream:
            raise missing_field(f"upstream at proxy {number}")
    return wanted


_NEW: Final = ProxyFields(name="", listen="", upstream="", enabled=True)


def _fields(given: Mapping[str, Any], before: ProxyFields = _NEW) -> ProxyFields:
    return ProxyFields(
        name=field(given, "name", before.name, "Proxy"),
        listen=field(given, "listen", before.listen, "Proxy"),
        upstream=field(given, "upstream", before.upstream, "Proxy"),
        enabled=field(given, "enabled", before.enabled, "Proxy"),
    )


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _json(status: int, value: Any) -> Response:
    return Response(status=status, body=_text(value).encode("utf-8", "replace"), headers=JSON)


def _plain(status: int, text: str) -> Response:
    return Response(status=status, body=f"{text}\n".encode("utf-8", "replace"), headers=PLAIN)
