"""A stub of the downstream system: it applies each effect once, by its key, and forgets all when it ends.

`POST /effects` with an effect answers `{"applied": true}` the first time that its key comes, and `false`
for the same key again; `GET /effects` answers how many were applied. `GET /readyz` and `/livez` answer 200.
"""

from __future__ import annotations

import ipaddress
import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

EFFECT_BYTES_MAX = 1024**2


def serve(host: str = "127.0.0.1", port: int = 8098, *, anywhere: bool = False) -> None:
    """Serves until SIGTERM or SIGINT, then exits 0 at once. Call it in the main thread.

    Prints one line with `ready` once it answers. Raises `ValueError` when `host` is not loopback and
    `anywhere` was not said.
    """
    if not anywhere and not ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback:
        raise ValueError(f"sink: host={host!r} is not loopback. Say anywhere=True to mean it.")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    with _Server((host, port), _Handler) as server:
        print(f"sink ready on http://{host}:{server.server_address[1]}", flush=True)  # noqa: T201  protocol
        server.serve_forever()


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a stopped stub waits for no client
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.first: dict[str, object] = {}  # key -> whose request brought it first

    def apply(self, key: str, request: object) -> bool:
        """True the first time that this key comes. One step, so that of two at once one is the first."""
        return self.first.setdefault(key, request) is request


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that an idle or slow client is kept
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one segment
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/effects":
            self._answer(200, {"applied": len(self.server.first)})
            return
        found = self.path in {"/readyz", "/livez"}
        self._answer(200 if found else 404, {"status": "ready" if found else "not found"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/effects" or not length.isdigit() or int(length) > EFFECT_BYTES_MAX:
            self.close_connection = True  # what follows is not read
            self._answer(400, {"error": f"POST /effects, at most {EFFECT_BYTES_MAX} bytes"})
            return
        try:
            key = str(json.loads(self.rfile.read(int(length)))["key"])
        except (ValueError, KeyError, TypeError) as error:
            self._answer(400, {"error": f"{type(error).__name__}: {error}"})
            return
        self._answer(200, {"applied": self.server.apply(key, object())})

    def _answer(self, status: int, answer: dict[str, object]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Quiet: a line for each effect helps nobody."""
