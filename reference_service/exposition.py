"""`GET /metrics`, `/livez` and `/readyz` of a role without an HTTP server: answered between two of its steps,
and the second also amidst one.

No thread, since a worker forks. A role waits for others much of its time, each time with a deadline: that is
no reason to restart it, so `/livez` is answered then, too, by a signal. What it says is whether the role's
loop gets on. Nothing a client does holds the role up for more than `PATIENCE_S`: readiness, which is to ask
what may not answer, is looked into by a child.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable

from reference_service.metrics import CONTENT_TYPE
from reference_service.ports import Clock
from reference_service.settings import BadSettings, Settings

PATIENCE_S = 0.1  # for a request that was begun
STALLED_S = 120.0  # twice the longest call: a poll of the queue, for 20 s and an answer, tried twice
AT_ONCE_MAX = 8  # clients at one signal, and those who are kept for the next step
REQUEST_BYTES_MAX = 4096
Aside = Callable[[Callable[[], None]], bool]


def here(work: Callable[[], None]) -> bool:
    """For whoever may be held up by it."""
    work()
    return True


class Progress:
    """Whether something goes on, by a count of what was done; asked again and again."""

    def __init__(self, clock: Clock, count: Callable[[], int]) -> None:
        self._clock = clock
        self._count = count
        self._seen = count()
        self._since = clock.monotonic()

    def goes_on(self) -> bool:
        """False once nothing was counted for `STALLED_S`, and somebody had asked before that."""
        now, count = self._clock.monotonic(), self._count()
        if count != self._seen:
            self._seen, self._since = count, now
        return now - self._since < STALLED_S


class Exposition:
    """Listens from the start. As `runtime.Attended`."""

    def __init__(
        self,
        settings: Settings,
        render: Callable[[], bytes],
        lives: Callable[[], bool] = lambda: True,
        goes_on: Callable[[], bool] = lambda: True,
        *,
        trouble: Callable[[], str | None] = lambda: None,
        aside: Aside = here,
    ) -> None:
        """`lives` is what `/livez` says between two steps, `goes_on` amidst one. `trouble`: why the role is
        not ready, None: it is; asked by way of `aside`, which is False when too many are being asked already.

        Raises `BadSettings` when the port is taken.
        """
        self._render = render
        self._lives = lives
        self._goes_on = goes_on
        self._trouble = trouble
        self._aside = aside
        self._kept: list[tuple[socket.socket, bytes]] = []  # came amidst a step, and wait for its end
        self._amidst = False
        try:
            self._listener = socket.create_server((settings.api_host, settings.metrics_port), backlog=8)
        except OSError as error:
            raise BadSettings(
                f"REFERENCE_METRICS_PORT={settings.metrics_port}: cannot listen on {settings.api_host}: "
                f"{error.strerror}; choose a free one"
            ) from None
        self._listener.settimeout(0.0)

    def fileno(self) -> int:
        return self._listener.fileno()

    def close(self) -> None:
        self._listener.close()
        for connection, _ in self._kept:
            connection.close()

    def answer(self) -> bool:
        """Serves who was kept, and who connected first; returns at once when nobody did. False: somebody has
        connected and cannot be let in, as without descriptors. Raises nothing.
        """
        kept, self._kept = self._kept, []
        for connection, request in kept:
            self._send(connection, request, self._lives)
        try:
            came = self._let_in()
        except OSError:
            return False
        if came is not None:
            self._send(*came, self._lives)
        return True

    def answer_at_once(self) -> None:
        """Says to who asks for `/livez` whether the role gets on; others are kept, or sent away when there
        are many. May come amidst anything, itself included: renders nothing, which takes locks.
        """
        if self._amidst:
            return
        self._amidst = True
        with contextlib.suppress(OSError):  # nobody can be let in
            for _ in range(AT_ONCE_MAX):
                came = self._let_in()
                if came is None:
                    break
                if _target(came[1]) == b"/livez":
                    self._send(*came, self._goes_on)
                elif came[1] and len(self._kept) < AT_ONCE_MAX:
                    self._kept.append(came)
                else:
                    came[0].close()
        self._amidst = False

    def _let_in(self) -> tuple[socket.socket, bytes] | None:
        """The next client and what it asks for (nothing, when it does not in time); None: there is none.
        Raises `OSError` when it cannot be let in.
        """
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # nobody, or gone again
            return None
        request = b""
        with contextlib.suppress(OSError):  # gone away, or did not ask in time
            connection.settimeout(PATIENCE_S)
            request = connection.recv(REQUEST_BYTES_MAX)
        return connection, request

    def _send(self, connection: socket.socket, request: bytes, lives: Callable[[], bool]) -> None:
        with connection, contextlib.suppress(OSError):
            target = _target(request)
            if target == b"/readyz":
                if not self._aside(lambda: self._tell_readiness(connection)):
                    connection.sendall(_readiness("earlier questions have not been answered yet"))
            elif request:
                connection.sendall(self._answer_to(target, lives))

    def _tell_readiness(self, connection: socket.socket) -> None:
        answer = _readiness(self._trouble())
        with contextlib.suppress(OSError):  # whoever asked has not waited for it
            connection.sendall(answer)

    def _answer_to(self, target: bytes, lives: Callable[[], bool]) -> bytes:
        if target == b"/metrics":
            return _response("200 OK", CONTENT_TYPE, self._render())
        if target == b"/livez":
            status = "200 OK" if lives() else "503 Service Unavailable"
            return _response(
                status, "application/json", b'{"live":true}' if status[0] == "2" else b'{"live":false}'
            )
        return _response("404 Not Found", "application/json", b'{"error":"GET /metrics, /livez or /readyz"}')


def _readiness(problem: str | None) -> bytes:
    status = "200 OK" if problem is None else "503 Service Unavailable"
    body = {"ready": True} if problem is None else {"error": problem}
    return _response(status, "application/json", json.dumps(body).encode())


def _target(request: bytes) -> bytes:
    return b"".join(request.split(b" ", 2)[1:2])


def _response(status: str, kind: str, body: bytes) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body
