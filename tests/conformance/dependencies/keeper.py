"""A small server of somebody's own: keeps words in a file, over HTTP. `keeper.py HOST PORT FOLDER`."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST, PORT, FOLDER = sys.argv[1:]
WORDS = Path(FOLDER) / "words"


class Handler(BaseHTTPRequestHandler):
    """POST /word keeps it; GET /word answers 200 if it was kept, else 404."""

    def do_POST(self) -> None:
        handle = os.open(WORDS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, f"{self.path}\n".encode())
        os.close(handle)
        self._answer(200)

    def do_GET(self) -> None:
        self._answer(200 if WORDS.exists() and self.path in WORDS.read_text().split() else 404)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


ThreadingHTTPServer((HOST, int(PORT)), Handler).serve_forever()
