"""The way out of a lane into a socket: in order, at once, late, or not now."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from unstuck.clock import monotonic_ns
from unstuck.links.rules import LinkState

QUEUED_BYTES_MAX = 4 * 1024 * 1024
_LINGER_NOT = struct.pack("ii", 1, 0)

Step = Callable[[], None]
Sent = Callable[[bool], None]


def _nothing() -> None:
    pass


def reset(transport: asyncio.WriteTransport) -> None:
    """Ends the connection with RST; what was not sent yet is lost."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


class WayOut(Protocol):
    """Where a lane sends: the outlet itself, or the toxics that stand before it."""

    @property
    def full(self) -> bool:
        """True when the source should rest."""
        ...

    def send(self, data: bytes) -> None: ...

    def when_sent(self, sent: Sent) -> None:
        """Calls `sent(True)` once the kernel has all bytes before it, `sent(False)` if it never will."""
        ...

    def end(self, *, half: bool, then: Sent) -> None:
        """The source has ended, behind all that it sent: ends the stream if `half`, and calls `then`."""
        ...

    def set_state(self, state: LinkState) -> None: ...

    def die(self) -> None: ...


class Outlet:
    """Writes bytes to one socket in the order in which they came, whatever the link's state is.

    Whoever owns it sets `on_change`, which is called when `full` may have changed, and `on_death`.
    """

    def __init__(self, *, state: LinkState) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._state = state
        self._queue: deque[tuple[int, bytes | Step]] = deque()  # (not before, monotonic ns; what)
        self._queued_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._direct = False  # nothing stands between `send` and the socket
        self._writable = True
        self._waiting: list[Sent] = []
        self.on_change: Step = _nothing
        self.on_death: Step = _nothing
        self.dead = False
        self.sent_bytes = 0

    @property
    def full(self) -> bool:
        """True when the source should rest: the peer reads slowly, or the queue is long."""
        return not self._writable or self._queued_bytes > QUEUED_BYTES_MAX

    def attach(self, transport: asyncio.WriteTransport) -> None:
        """The socket is connected. High water 0, so that `writable` means: all is with the kernel."""
        transport.set_write_buffer_limits(high=0)
        self._transport = transport
        self._flush()

    def set_state(self, state: LinkState) -> None:
        """What was queued under the old state keeps its place, and goes as soon as the new one lets it."""
        self._state = state
        if state.kind != "latency":
            self._queue = deque((0, what) for _, what in self._queue)
        self._flush()

    def send(self, data: bytes) -> None:
        if self._direct:
            self.sent_bytes += len(data)
            self._transport.write(data)  # type: ignore[union-attr]  # _direct says that it is there
        elif not self.dead:
            self._queued_bytes += len(data)
            self._enqueue(data)

    def call(self, step: Step) -> None:
        """Calls `step` when everything before it was written."""
        if self._direct or self.dead:
            step()
        else:
            self._enqueue(step)

    def when_sent(self, sent: Sent) -> None:
        """Calls `sent(True)` once the kernel has all bytes before it, `sent(False)` if it never will."""
        self.call(lambda: self._await_kernel(sent))

    def _await_kernel(self, sent: Sent) -> None:
        if self.dead or self._transport is None or self._transport.is_closing():
            sent(False)  # noqa: FBT003  the callback's one argument
        elif self._writable:
            sent(True)  # noqa: FBT003  same
        else:
            self._waiting.append(sent)

    def end(self, *, half: bool, then: Sent) -> None:
        """Behind what was sent: ends the stream if `half` (the other direction stays open), then `then`."""
        if half:
            self.call(self._write_eof)
        self.when_sent(then)

    def _write_eof(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            with suppress(OSError):  # the peer has reset the connection, and our end of it comes next
                transport.write_eof()

    def set_writable(self, *, writable: bool) -> None:
        self._writable = writable
        if writable:
            waiting, self._waiting = self._waiting, []
            for sent in waiting:
                sent(True)  # noqa: FBT003  the callback's one argument
        self.on_change()

    def die(self) -> None:
        """The socket is gone: queued bytes are dropped, and whoever waits for them is told."""
        self.dead = True
        self._direct = False
        self._writable = True
        if self._timer is not None:
            self._timer.cancel()
        queue, self._queue = self._queue, deque()
        self._queued_bytes = 0
        waiting, self._waiting = self._waiting, []
        for sent in waiting:
            sent(False)  # noqa: FBT003  the callback's one argument
        for _, what in queue:
            if not isinstance(what, bytes):
                what()
        self.on_death()
        self.on_change()

    def _enqueue(self, what: bytes | Step) -> None:
        not_before_ns = 0
        if self._state.kind == "latency":
            not_before_ns = monotonic_ns() + int(self._state.latency_s * 1e9)
        self._queue.append((not_before_ns, what))
        if len(self._queue) == 1:
            self._flush()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport = self._transport
        if transport is None or self.dead or self._state.kind == "blackhole":
            self._direct = False
            return
        while self._queue:
            wait_ns = self._queue[0][0] - monotonic_ns() if self._queue[0][0] else 0
            if wait_ns > 0:
                self._timer = self._loop.call_later(wait_ns / 1e9, self._flush)
                break
            what = self._queue.popleft()[1]
            if isinstance(what, bytes):
                self._queued_bytes -= len(what)
                self.sent_bytes += len(what)
                transport.write(what)
            else:
                what()
        self._direct = not self._queue and self._state.kind == "up"
        self.on_change()
