"""Bytes that came through, in the words of Toxiproxy's metrics and in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from unstuck.links.proxy import STREAMS
from unstuck.links.toxiproxy.proxies import ApiProxy

NAMES = ("toxiproxy_proxy_received_bytes_total", "toxiproxy_proxy_sent_bytes_total")


def metrics(proxies: Collection[ApiProxy]) -> bytes:
    """Of connections that have ended and of those that are open."""
    lines = [
        line
        for place, name in enumerate(NAMES)
        for line in (f"# TYPE {name} counter", *_lines(place, proxies))
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _lines(place: int, proxies: Collection[ApiProxy]) -> Iterator[str]:
    for proxy in proxies:
        for stream in STREAMS:
            labels = {
                "direction": stream,
                "listener": proxy.listen,
                "proxy": proxy.name,
                "upstream": proxy.upstream,
            }
            told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
            yield f"{NAMES[place]}{{{told}}} {proxy.link.bytes_of(stream)[place]}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
