"""uvicorn, made to drain: it goes on answering for a while after SIGTERM, refusing work."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from types import FrameType

import uvicorn

from reference_service.api import App, Draining
from reference_service.budget import Budget
from reference_service.domain import Defence
from reference_service.ports import Clock
from reference_service.settings import BadSettings, Settings


def bind(settings: Settings) -> socket.socket:
    """A listening socket. Raises `BadSettings` when the address is taken or not ours."""
    try:
        return socket.create_server((settings.api_host, settings.api_port), backlog=512)
    except OSError as error:
        raise BadSettings(
            f"REFERENCE_API_PORT={settings.api_port}: cannot listen on {settings.api_host}: "
            f"{error.strerror}; choose a free one"
        ) from None


def serve(
    app: App,
    draining: Draining,
    listener: socket.socket,
    clock: Clock,
    settings: Settings,
    budget: Budget,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains for `api_drain_s` (at most `drain_grace_s`). Looks at its
    `budget` every `heartbeat_s`.

    `drain_on_sigterm` off: the signals kill at once.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="asyncio",
        ws="none",
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    _DrainingServer(config, draining, clock, settings, budget).run(sockets=[listener])


class _DrainingServer(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, draining: Draining, clock: Clock, settings: Settings, budget: Budget
    ) -> None:
        super().__init__(config)
        self._budget = budget
        self._look_every_s = settings.heartbeat_s
        self._look_at = clock.monotonic()
        self._draining = draining
        self._clock = clock
        self._drains = settings.defended(Defence.DRAIN_ON_SIGTERM)
        self._drain_s = min(settings.api_drain_s, settings.drain_grace_s)
        self._exit_at: float | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if not self._drains:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            yield
            return
        with super().capture_signals():
            yield
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second one must not make a kill of an orderly end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Does not exit yet: the listener stays open, so that clients get an answer."""
        del sig, frame
        self._draining.on = True
        if self._exit_at is None:
            self._exit_at = self._clock.monotonic() + self._drain_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        host, port = sockets[0].getsockname()[:2] if sockets else ("", 0)
        print(f"api ready on http://{host}:{port}", flush=True)  # noqa: T201  for whoever started us

    async def on_tick(self, counter: int) -> bool:
        """uvicorn asks ten times a second whether to stop."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + self._look_every_s
            self._budget.look()
        ended = self._exit_at is not None and now >= self._exit_at
        return await super().on_tick(counter) or ended
