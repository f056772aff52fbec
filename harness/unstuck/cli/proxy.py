"""`unstuck proxy`: the links alone, with Toxiproxy's HTTP API, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import Any

from unstuck.cli.output import complain, say
from unstuck.errors import ExitCode, UsageError
from unstuck.links.file_limit import raise_file_limit
from unstuck.links.toxiproxy.problem import ApiError
from unstuck.links.toxiproxy.proxies import ProxyFields
from unstuck.links.toxiproxy.routes import read_proxies
from unstuck.links.toxiproxy.server import ApiServer
from unstuck.rundir import disk

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Says where it listens, and serves until it is interrupted."""
    wanted = _read(chosen.config) if chosen.config else []
    raise_file_limit()
    asyncio.run(_serve(chosen, wanted))
    return ExitCode.INTERRUPTED


def _read(path: Path) -> list[ProxyFields]:
    with disk(path, doing="read", advice="Give a JSON list of proxies, as toxiproxy.json."):
        body = path.read_bytes()
    try:
        return read_proxies(body)
    except ApiError as error:
        why = str(error).removeprefix("bad request body: ")
        raise UsageError(
            f'{path}: {why}. Write a list of {{"name": …, "listen": …, "upstream": …}}.'
        ) from None


async def _serve(chosen: argparse.Namespace, wanted: list[ProxyFields]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, stop.set)
    server = ApiServer(
        seed=chosen.seed,
        allow_remote=chosen.allow_remote,
        with_metrics=chosen.proxy_metrics,
        report=_report,
    )
    async with server:
        address = await server.start(chosen.api)
        for proxy in await server.populate(wanted):
            say(f"{proxy.name}: {proxy.listen} -> {proxy.upstream}{'' if proxy.enabled else ' (off)'}\n")
        say(f"Toxiproxy's API on http://{address}; Ctrl-C ends it.\n")
        await stop.wait()


def _report(event: dict[str, Any]) -> None:
    """The dependency that refused is worth a line; what a toxic had to do is not."""
    if event["event"] == "refused":
        complain(f"unstuck proxy: {event['link']}: upstream refused: {event['facts']['error']}")
