"""Addresses as Toxiproxy writes them, `host:port`, and whether they are of this machine alone."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import NamedTuple

from unstuck.errors import UsageError

PORTS = range(65536)


class Address(NamedTuple):
    """An IP address and a port; `str` is `127.0.0.1:80`, or `[::1]:80`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback


def split_address(text: str) -> tuple[str, str]:
    """Host and port, neither looked at. Raises `UsageError`."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    if not colon or text.endswith("]"):
        raise UsageError(f"address {text}: missing port in address")
    if ":" in host:
        raise UsageError(f"address {text}: too many colons in address")
    return host, port


async def resolve(text: str) -> Address:
    """Looks the name up, IPv4 first. An empty host is the loopback, an empty text a free port there.

    Raises `UsageError`.
    """
    host, port_text = split_address(text) if text else ("", "0")
    port = _port(port_text)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or "127.0.0.1", port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except (OSError, UnicodeError):
        raise UsageError(f"lookup {host}: no such host") from None
    found.sort(key=lambda one: one[0] is not socket.AF_INET)
    return Address(str(found[0][4][0]).partition("%")[0], port)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit():
        if len(text) > 5 or int(text) not in PORTS:
            raise UsageError(f"address {text}: invalid port")
        return int(text)
    try:
        return socket.getservbyname(text, "tcp") if text else 0
    except OSError:
        raise UsageError(f"lookup tcp/{text}: unknown port") from None
