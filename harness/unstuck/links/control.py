"""The proxy's side of the control connection: a JSON object a line, both ways.

Requests are `{"id": 7, "do": "add_rule", …}`; each gets `{"id": 7, "ok": …}` or `{"id": 7, "error": "…"}`
in order, events (`{"event": …}`) come between. The first connection is the harness; when it ends, so
does the proxy.
"""

from __future__ import annotations

import asyncio
import json
import socket
import traceback
from collections.abc import Mapping
from typing import Any

from unstuck.clock import monotonic_ns
from unstuck.errors import UnstuckError, UsageError, did_you_mean
from unstuck.links.proxy import Proxy
from unstuck.links.real_toxiproxy import RealToxiproxy
from unstuck.links.rules import LinkState, decode_rule
from unstuck.links.toxics.text import decode_toxic

LINE_BYTES_MAX = 4 * 1024 * 1024
UNREAD_BYTES_MAX = 64 * 1024 * 1024  # about 200,000 events that the harness has not read
COMMANDS = (
    *("open", "shut", "add_rule", "remove_rule", "release", "set_state", "add_toxic", "remove_toxic"),
    *("report_all", "snapshot", "end"),
)


class Control:
    """Serves one harness for as long as it is connected."""

    def __init__(self, *, seed: int, real: RealToxiproxy | None = None) -> None:
        self._proxy = Proxy(report=self._send, seed=seed, real=real)
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, sock: socket.socket) -> None:
        """Returns when the other end has closed; every link is closed then."""
        reader, self._writer = await asyncio.open_connection(sock=sock, limit=LINE_BYTES_MAX)
        asyncio.get_running_loop().set_exception_handler(self._broke)
        try:
            while line := await reader.readline():
                await self._handle(line)
        except ConnectionError:
            pass  # the harness was killed: the same as closing
        finally:
            self._proxy.close()
            self._writer.close()

    def _broke(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """A connection broke in our own code: the harness has to know that it was not the service."""
        error = context.get("exception")
        trace = "".join(traceback.format_exception(error)) if error else ""
        facts = {"error": f"{context.get('message')}: {error!r}", "trace": trace}
        self._send({"event": "broken", "link": "", "connection": 0, "at_ns": monotonic_ns(), "facts": facts})

    def _send(self, record: Mapping[str, Any]) -> None:
        if self._writer is None or self._writer.is_closing():
            return
        self._writer.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
        if self._writer.transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            # Nobody reads what we say, so nobody controls us: better a run that fails in one line than a
            # machine without memory. The end of this connection ends the proxy.
            self._writer.transport.abort()

    async def _handle(self, line: bytes) -> None:
        request = json.loads(line)
        number = request.pop("id")
        try:
            result = await self._do(request.pop("do", ""), request)
        except UnstuckError as error:
            self._send({"id": number, "error": str(error)})
        except OSError as error:
            self._send({"id": number, "error": f"link: {error}."})
        else:
            self._send({"id": number, "ok": result})

    async def _do(self, command: str, values: dict[str, Any]) -> Any:  # noqa: C901  one case for each
        proxy = self._proxy
        result: Any = None
        match command:
            case "open":
                result = await proxy.open(**values)
            case "shut":
                await proxy.shut(values["name"])
            case "add_rule":
                proxy.add_rule(decode_rule(values["rule"]))
            case "remove_rule":
                proxy.remove_rule(values["rule"])
            case "release":
                result = proxy.release(values["rule"], values["then"], values.get("nth"))
            case "set_state":
                result = await proxy.set_state(values["name"], LinkState(**values["state"]))
            case "add_toxic":
                result = await proxy.add_toxic(values["name"], decode_toxic(values["toxic"]))
            case "remove_toxic":
                result = await proxy.remove_toxic(values["name"], values["toxic"])
            case "report_all":
                proxy.report_all(values["name"], enabled=values["enabled"])
            case "end":
                proxy.close()
            case "snapshot":
                result = proxy.snapshot()
            case _:
                raise UsageError(f"control: do={command!r} is unknown.{did_you_mean(command, COMMANDS)}")
        return result
