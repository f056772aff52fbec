"""A real Toxiproxy, behind our links: it does what toxics and `link_down` ask for, in its own way.

    role ── our link ── its proxy ── dependency

Our link stays in front, so that rules see whole messages and cut them as they did.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

from unstuck.errors import TargetError, UsageError
from unstuck.links.toxics.port import Toxic
from unstuck.links.toxics.text import encode_toxic

VARIABLE = "TOXIPROXY_URL"
ANSWERS_WITHIN_S = 5.0
_OURS = "unstuck"


def checked_url(url: str) -> tuple[str, int]:
    """Host and port. Raises `UsageError` for an address off this machine, or for what is none."""
    where = f"{VARIABLE}={url!r}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 8474
    except ValueError:
        host, parts, port = "", urlsplit(""), 0
    if parts.scheme != "http" or not host or parts.path not in ("", "/") or parts.username:
        raise UsageError(f"{where} is no address of a Toxiproxy. Write http://127.0.0.1:8474.")
    if host != "localhost" and not _is_loopback(host):
        raise UsageError(
            f"{where} is not on this machine: a run breaks nothing elsewhere. Start a Toxiproxy here."
        )
    return ("127.0.0.1" if host == "localhost" else host), port


def check_environment(environment: Mapping[str, str] = os.environ) -> str | None:
    """The address that `TOXIPROXY_URL` names, once a Toxiproxy has answered there; None: none is wanted.

    Raises `UsageError`.
    """
    url = environment.get(VARIABLE)
    if not url:
        return None
    RealToxiproxy(url).start()
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


class RealToxiproxy:
    """The proxies of one run in a Toxiproxy, through the library `toxiproxy-python`. Blocks.

    They are named `unstuck-PID-LINK`, with the pid of whoever holds this, and removed by `close`. What a
    process that is no more has left there goes when the next one comes.
    Every method raises `TargetError` when Toxiproxy does not answer, or refuses.
    """

    def __init__(self, url: str) -> None:
        """Raises `UsageError` for a bad address, or where the library is missing."""
        self.url = url
        host, port = checked_url(url)
        try:
            from toxiproxy.api import APIConsumer  # noqa: PLC0415  an extra may be missing
        except ModuleNotFoundError as error:
            raise UsageError(
                f"{VARIABLE} is set, but the package {error.name!r} is missing. "
                "Install it: pip install 'unstuck[toxiproxy]'."
            ) from None
        # The library keeps the address in its class; a subclass keeps it to ourselves.
        self._api: Any = type("OurToxiproxy", (APIConsumer,), {"host": host, "port": port})
        self._made: dict[str, str] = {}  # link -> name there

    def start(self) -> None:
        """Looks whether it is there, and removes what dead processes have left in it."""
        for name in self._get("/proxies"):
            words = name.split("-", 2)
            if len(words) == 3 and words[0] == _OURS and words[1].isdigit() and not _is_alive(int(words[1])):
                self._ask(self._api.delete, f"/proxies/{quote(name)}")

    def create(self, link: str, host: str, port: int) -> tuple[str, int]:
        """A proxy in front of a dependency; where it listens."""
        name = f"{_OURS}-{os.getpid()}-{link}"
        made = self._post(
            "/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": f"{host}:{port}", "enabled": True}
        )
        self._made[link] = name
        listen_host, _, listen_port = str(made["listen"]).rpartition(":")
        return listen_host, int(listen_port)

    def remove(self, link: str) -> None:
        """Idempotent."""
        name = self._made.pop(link, None)
        if name is not None:
            self._ask(self._api.delete, f"/proxies/{quote(name)}")

    def set_enabled(self, link: str, *, enabled: bool) -> None:
        """Off: its connections are closed, and it refuses new ones. Read back."""
        path = self._path(link)
        self._post(path, {"enabled": enabled})
        if self._get(path)["enabled"] is not enabled:
            raise TargetError(f"Toxiproxy at {self.url}: {path} did not become enabled={enabled}.")

    def add_toxic(self, link: str, toxic: Toxic) -> None:
        """Read back as it was asked for; what cannot be read back so is taken away again."""
        path, wanted = f"{self._path(link)}/toxics", encode_toxic(toxic)
        self._post(path, wanted)
        try:
            self._read_back(path, wanted)
        except TargetError:
            with suppress(TargetError):  # the first error is the one to tell
                self.remove_toxic(link, toxic.name)
            raise

    def _read_back(self, path: str, wanted: Mapping[str, Any]) -> None:
        there = self._get(f"{path}/{quote(wanted['name'])}")
        if any(there.get(key) != value for key, value in wanted.items() if key != "toxicity"):
            raise TargetError(f"Toxiproxy at {self.url}: {path} took {wanted} as {there}.")

    def remove_toxic(self, link: str, name: str) -> None:
        self._ask(self._api.delete, f"{self._path(link)}/toxics/{quote(name)}")

    def close(self) -> None:
        """Removes every proxy that is left; what cannot be removed stays for the next `start`."""
        for link in list(self._made):
            try:
                self.remove(link)
            except TargetError:
                continue

    def _path(self, link: str) -> str:
        return f"/proxies/{quote(self._made[link])}"

    def _get(self, path: str) -> Any:
        return self._ask(self._api.get, path).json()

    def _post(self, path: str, value: Mapping[str, Any]) -> Any:
        return self._ask(self._api.post, path, json=value).json()

    def _ask(self, call: Callable[..., Any], path: str, **more: Any) -> Any:
        try:
            response = call(path, timeout=ANSWERS_WITHIN_S, **more)
        except Exception as error:  # the library's own, and those of the client below it
            raise TargetError(f"Toxiproxy at {self.url}: {path}: {_told(error)}") from error
        if response.status_code >= 300:
            raise TargetError(
                f"Toxiproxy at {self.url}: {path}: {response.status_code} {response.text.strip()}"
            )
        return response


def _told(error: Exception) -> str:
    """The library raises the body of an answer; its client's errors are long."""
    if error.args and isinstance(error.args[0], bytes):
        return error.args[0].decode("utf-8", "replace").strip()
    return f"does not answer ({type(error).__name__}). Is it running?"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
