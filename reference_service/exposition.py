"""`GET /metrics`, `/livez` and `/readyz` of a role without an HTTP server: answered between two of its steps.

No thread, since a worker forks; so an answer waits while the role does. Nothing a client does holds the role
up for more than `PATIENCE_S`: readiness, which is to ask what may not answer, is looked into by a child.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable

from reference_service.metrics import CONTENT_TYPE
from reference_service.settings import BadSettings, Settings

PATIENCE_S = 0.1  # for a request that was begun
REQUEST_BYTES_MAX = 4096
Aside = Callable[[Callable[[], None]], bool]


def here(work: Callable[[], None]) -> bool:
    """For whoever may be held up by it."""
    work()
    return True


class Exposition:
    """Listens from the start; `answer` serves one client."""

    def __init__(
        self,
        settings: Settings,
        render: Callable[[], bytes],
        lives: Callable[[], bool] = lambda: True,
        trouble: Callable[[], str | None] = lambda: None,
        aside: Aside = here,
    ) -> None:
        """`trouble`: why the role is not ready, None: it is; asked by way of `aside`, which is False when too
        many are being asked already. Raises `BadSettings` when the port is taken.
        """
        self._render = render
        self._lives = lives
        self._trouble = trouble
        self._aside = aside
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

    def answer(self) -> None:
        """Serves whoever connected first; returns at once when nobody did. Raises nothing."""
        with contextlib.suppress(OSError):  # a client that went away, or did not ask in time
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(PATIENCE_S)
                target = connection.recv(REQUEST_BYTES_MAX).split(b" ", 2)[1:2]
                if target != [b"/readyz"]:
                    connection.sendall(self._answer_to(target))
                elif not self._aside(lambda: self._tell_readiness(connection)):
                    connection.sendall(_readiness("earlier questions have not been answered yet"))

    def _tell_readiness(self, connection: socket.socket) -> None:
        answer = _readiness(self._trouble())
        with contextlib.suppress(OSError):  # whoever asked has not waited for it
            connection.sendall(answer)

    def _answer_to(self, target: list[bytes]) -> bytes:
        if target == [b"/metrics"]:
            return _response("200 OK", CONTENT_TYPE, self._render())
        if target == [b"/livez"]:
            status = "200 OK" if self._lives() else "503 Service Unavailable"
            return _response(
                status, "application/json", b'{"live":true}' if status[0] == "2" else b'{"live":false}'
            )
        return _response("404 Not Found", "application/json", b'{"error":"GET /metrics, /livez or /readyz"}')


def _readiness(problem: str | None) -> bytes:
    status = "200 OK" if problem is None else "503 Service Unavailable"
    body = {"ready": True} if problem is None else {"error": problem}
    return _response(status, "application/json", json.dumps(body).encode())


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
