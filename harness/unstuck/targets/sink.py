"""The effects ledger: a downstream system of our own, which the service does not own.

POST /effects {job, key, attempt, token, facts} -> 200 {"applied": true} the first time a key comes, and
{"applied": false} for the same key again, as an idempotent receiver does.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from unstuck.targets.port import Emit

PATH = "/effects"
BODY_BYTES_MAX = 1 << 20


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of five, which is usual, a burst of workers would be turned away

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet about clients that were killed: that is what we do to them."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Sink:
    """Serves on 127.0.0.1 from `start` to `stop`, and records each effect it is told of."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._keys: set[str] = set()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._started = False

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._started = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="sink", daemon=True
        ).start()

    def stop(self) -> None:
        """Takes no further connection. Those that are open end with their clients. Idempotent."""
        if self._started:
            self._server.shutdown()
        self._server.server_close()

    def apply(self, effect: dict[str, Any]) -> bool:
        """True the first time that this key comes. Raises for what is no effect; then nothing is kept."""
        key, job = str(effect["key"]), str(effect["job"])
        attempt, token = int(effect["attempt"]), int(effect["token"])
        with self._lock:  # the ledger's order is the order in which keys were applied
            applied = key not in self._keys
            self._keys.add(key)
            self._emit("effect", job=job, key=key, attempt=attempt, token=token, applied=applied)
        return applied

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                try:
                    if self.path != PATH:
                        self._answer(404, {"error": f"POST {PATH} only"})
                        return
                    body = self.rfile.read(_length(self.headers.get("Content-Length")))
                    self._answer(200, {"applied": sink.apply(json.loads(body))})
                except (ValueError, KeyError, TypeError, RecursionError) as error:
                    self._answer(400, {"error": f"{type(error).__name__}: {error}"})
                except OSError:
                    self.close_connection = True  # the client is gone; what it said was heard

            def _answer(self, status: int, answer: dict[str, object]) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if status != 200:
                    # What is left of the body would be taken for the next request.
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
                """Quiet: what matters is in the history."""

        return Handler


def _length(declared: str | None) -> int:
    """Raises `ValueError` for a body that is not told of, or too large to be an effect."""
    length = int(declared or 0)
    if not 0 <= length <= BODY_BYTES_MAX:
        raise ValueError(f"Content-Length={length!r} must be 0 to {BODY_BYTES_MAX}")
    return length
