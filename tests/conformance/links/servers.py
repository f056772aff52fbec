"""Small real servers: an echo with half-close, and HTTP that records what reached it."""

from __future__ import annotations

import http.server
import socketserver
import threading
from typing import Any, Self


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Cut connections are what these tests are about: not worth a traceback."""


class _Running:
    """A server in threads of its own, for a `with` block."""

    def __init__(self, handler: type[socketserver.BaseRequestHandler]) -> None:
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.owner = self  # type: ignore[attr-defined]  # for the handlers that it makes
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)
        self.request.sendall(b"|end")  # only a half-closed client can still read it


class EchoServer(_Running):
    """Sends back what it gets, then `|end` once the client has ended its stream."""

    def __init__(self) -> None:
        super().__init__(_Echo)


class _Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        owner: HttpServer = self.server.owner  # type: ignore[attr-defined]  # set above
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        reply = owner.took(f"{self.command} {self.path}", body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_PUT = do_POST  # noqa: N815  the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Quiet."""


class HttpServer(_Running):
    """Answers each request with its number, and keeps what came."""

    def __init__(self) -> None:
        super().__init__(_Http)
        self.requests: list[tuple[str, bytes]] = []
        self._changed = threading.Condition()

    def took(self, line: str, body: bytes) -> bytes:
        with self._changed:
            self.requests.append((line, body))
            self._changed.notify_all()
            return b"reply %d" % len(self.requests)

    def wait(self, number: int) -> None:
        """Returns when `number` requests have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= number, 10), self.requests
