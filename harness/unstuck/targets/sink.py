"""The effects ledger: a downstream system of our own, which the service does not own.

POST /effects {job, key, attempt, token, facts} -> 200 {"applied": true} the first time a key comes, and
{"applied": false} for the same key again, as an idempotent receiver does.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from unstuck.targets.port import Emit

BODY_BYTES_MAX = 1 << 20


class Sink:
    """Serves on 127.0.0.1 from `start` to `stop`, and records each effect it is told of."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._keys: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="sink", daemon=True
        ).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def apply(self, effect: dict[str, Any]) -> bool:
        """True the first time that this key comes."""
        key = str(effect["key"])
        with self._lock:
            applied = key not in self._keys
            self._keys.add(key)
            self._emit(
                "effect",
                job=str(effect["job"]),
                key=key,
                attempt=int(effect["attempt"]),
                token=int(effect["token"]),
                applied=applied,
            )
        return applied

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                try:
                    length = min(int(self.headers.get("Content-Length", 0)), BODY_BYTES_MAX)
                    answer: dict[str, object] = {"applied": sink.apply(json.loads(self.rfile.read(length)))}
                    status = 200
                except (ValueError, KeyError, TypeError) as error:
                    answer, status = {"error": str(error)}, 400
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
                """Quiet: what matters is in the history."""

        return Handler
