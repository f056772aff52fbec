"""A stub of the vision API: the same picture always gets the same caption, and nothing is stored.

`POST /caption` with a JPEG answers `{"caption": "…"}`; `GET /readyz` and `GET /livez` answer 200.
"""

from __future__ import annotations

import ipaddress
import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from types import FrameType

from reference_service.trace import HEADER, of_header

PICTURE_BYTES_MAX = 8 * 1024**2


def serve(host: str = "127.0.0.1", port: int = 8099, *, anywhere: bool = False) -> None:
    """Serves until SIGTERM or SIGINT, then exits 0 at once. Call it in the main thread.

    Prints one line with `ready` once it answers; port 0 takes a free one, which that line names. Raises
    `ValueError` when `host` is not loopback and `anywhere` was not said.
    """
    if not anywhere and not ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback:
        raise ValueError(f"vision: host={host!r} is not loopback. Say anywhere=True to mean it.")
    import reference_service.stages.jpeg  # noqa: F401, PLC0415  loaded before we say that we are ready

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    with _Server((host, port), _Handler) as server:
        print(f"vision ready on http://{host}:{server.server_address[1]}", flush=True)  # noqa: T201  protocol
        server.serve_forever()


def caption(jpeg: bytes) -> str:
    """Depends on the picture's size and mean brightness only. Raises `ValueError` when it is no JPEG."""
    from reference_service.stages.jpeg import JpegReader  # noqa: PLC0415  clients need no PyAV

    reader = JpegReader()
    frame = reader.decode(jpeg)
    small = reader.luma(jpeg, 32, 32)
    luma = sum(small) // len(small)
    tone = ("dark", "dim", "bright", "glaring")[luma // 64]
    return f"A {tone} picture of {frame.width} by {frame.height} pixels, mean luma {luma}."


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a stopped stub waits for no client
    request_queue_size = 128

    def server_bind(self) -> None:
        """Without its base's question to the resolver, whose answer nobody uses: it takes 50 ms at first."""
        super(HTTPServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that an idle or slow client is kept
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one segment

    def do_GET(self) -> None:
        found = self.path in {"/readyz", "/livez"}
        self._answer(200 if found else 404, {"status": "ready" if found else "not found"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > PICTURE_BYTES_MAX:
            self.close_connection = True  # what follows is not read
            self._answer(413, {"error": f"Content-Length={length!r}: at most {PICTURE_BYTES_MAX} bytes"})
            return
        body = self.rfile.read(int(length))
        if self.path != "/caption":
            self._answer(404, {"error": "not found"})
            return
        try:
            self._answer(200, {"caption": caption(body)})
            self._tell()
        except ValueError as error:
            self._answer(400, {"error": str(error)})

    def _tell(self) -> None:
        """One line for whom a picture was captioned."""
        trace = of_header(self.headers.get(HEADER))
        if trace is not None:
            sys.stderr.write(f'level=info role=vision trace={trace} msg="captioned"\n')
            sys.stderr.flush()

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  named so by its base
        """Quiet: one line for each picture says nothing."""
