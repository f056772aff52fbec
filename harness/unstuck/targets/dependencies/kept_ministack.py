"""MiniStack that keeps what it has acknowledged: `kept_ministack:main`, run in a process of its own.

MiniStack itself saves its state when it is asked to end. Here it is saved before the answer to any request
that may have changed it goes out, so that SIGKILL loses nothing of it but uploads in parts that are not
complete. It costs 3 ms of CPU a request with fifty messages, and grows with them: right for a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from unstuck import clock

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

SERVICES = ("s3", "sqs")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})  # of S3; all of SQS is POST
_EVENTS_WITHIN_S = 0.5
_TRIES = 20


def main(_: Sequence[str]) -> int:
    """Serves on BIND_HOST and GATEWAY_PORT until it is told to end."""
    from hypercorn.asyncio import serve  # noqa: PLC0415  comes with the emulator, which only this process needs
    from hypercorn.config import Config  # noqa: PLC0415  same

    config = Config()
    config.bind = [f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = 75  # as MiniStack has it
    config.loglevel = "WARNING"
    asyncio.run(serve(answer, config))  # type: ignore[arg-type]  # its types name TypedDicts for messages
    return 0


async def answer(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """The application: MiniStack's, with the state saved before an answer begins."""
    from ministack.app import app  # noqa: PLC0415  as in `main`

    if scope["type"] != "http" or scope["method"] in _READS:
        await app(scope, receive, send)
        return

    async def send_once_kept(message: Message) -> None:
        if message["type"] == "http.response.start":
            _await_events()
            keep()
        await send(message)

    await app(scope, receive, send_once_kept)


def keep() -> None:
    """Writes the state of what has been used, each file whole or not at all."""
    from ministack import app  # noqa: PLC0415  as in `main`
    from ministack.core import persistence  # noqa: PLC0415  as in `main`

    used = app._build_persistence_save_dict()  # noqa: SLF001  what it saves itself at the end
    for name in SERVICES:
        if name in used:
            persistence.save_state(name, _whole(used[name]))


def _whole(state_of: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A copy; made anew when a thread changed a table while it was being copied."""
    for _ in range(_TRIES):
        with contextlib.suppress(RuntimeError):
            return state_of()
    return state_of()


def _await_events() -> None:
    """Until the events of S3 are in their queues: MiniStack hands them to a thread each.

    1. an object is put  2. its event is on the way  3. the answer goes out  4. SIGKILL: an event would be
    lost that S3 delivers at least once.
    """
    deadline_ns = clock.monotonic_ns() + int(_EVENTS_WITHIN_S * 1e9)
    for thread in threading.enumerate():
        if thread.daemon and thread.name.endswith("(run)"):
            thread.join(max(0.0, (deadline_ns - clock.monotonic_ns()) / 1e9))
