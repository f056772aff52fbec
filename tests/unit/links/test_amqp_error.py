"""An AMQP error is told when the client has it: the server has to agree to the end of the channel first."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from tests.unit.links.test_amqp_framer import CHANNEL, OPENING, publish
from unstuck.links.framers.amqp_frames import PROTOCOL, closing, method_frame
from unstuck.links.framers.amqp_methods import CHANNEL_CLOSE, CHANNEL_CLOSE_OK
from unstuck.links.proxy import Proxy
from unstuck.links.rules import Error, Rule

PUBLISHED = publish("a")
CLOSE = closing(1, CHANNEL_CLOSE, 200, "closed by a fault")
TOLD = closing(1, CHANNEL_CLOSE, 541, "no", (60, 40))
WITHIN_S = 10


def outcomes(*, agrees: bool) -> tuple[list[str], list[str]]:
    """What was reported as done of the rule before the server said anything, and in the end."""
    done: list[str] = []
    is_done = asyncio.Event()

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "done":
            done.append(event["outcome"])
            is_done.set()

    async def run() -> tuple[list[str], list[str]]:
        asked: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(len(PROTOCOL + OPENING + CHANNEL + CLOSE))
            asked.set_result(writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        proxy = Proxy(report=report, seed=1)
        port = server.sockets[0].getsockname()[1]
        address = await proxy.open(name="l", upstream_host="127.0.0.1", upstream_port=port, framer="amqp")
        proxy.add_rule(Rule(id="r", link="l", label="basic.publish a", action=Error(message="no")))
        reader, writer = await asyncio.open_connection(*address)
        writer.write(PROTOCOL + OPENING + CHANNEL + PUBLISHED)
        async with asyncio.timeout(WITHIN_S):
            upstream = await asked
            before = list(done)
            if agrees:
                upstream.write(method_frame(1, CHANNEL_CLOSE_OK))
                assert await reader.readexactly(len(TOLD)) == TOLD
            else:
                upstream.close()
                writer.close()
            await is_done.wait()
        proxy.close()
        for end in (upstream, writer):
            end.close()
            with suppress(ConnectionError):
                await end.wait_closed()
        server.close()
        return before, done

    return asyncio.run(run())


def test_an_error_is_told_once_the_client_has_it() -> None:
    """Until the server has agreed the client knows nothing of it."""
    assert outcomes(agrees=True) == ([], ["error"])


def test_an_error_that_the_client_never_heard_of_has_failed() -> None:
    """The server was gone before it agreed."""
    assert outcomes(agrees=False) == ([], ["failed"])
