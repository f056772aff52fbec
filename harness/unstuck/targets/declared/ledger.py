"""The effects ledger of a declared target: jobs report their begin and end, to a file or over HTTP.

Each role has in its environment

    UNSTUCK_LEDGER_FILE   append one line a report, in one write
    UNSTUCK_LEDGER_URL    or: POST one JSON object a report, answered when it is kept
    UNSTUCK_PROCESS       the name of the process, to say with it

A line is `begin JOB` or `end JOB` (an id without spaces), or an object: {"event": "begin", "job": "…"} with,
if known, "attempt" (as the system counts), "key" (of an effect that is applied once under it, for that job),
"pid", "process" and "at_ns" (CLOCK_MONOTONIC). A posted `begin` is answered when every fault that waits
for the job to begin has struck: the job stands still at that place.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from unstuck.clock import monotonic_ns
from unstuck.plan import CLAIM_COMMITTED
from unstuck.targets.declared.tracker import Record
from unstuck.targets.port import Emit, PointReached

PATH = "/ledger"
LINE_BYTES_MAX = 64 * 1024
READ_EVERY_S = 0.01
READ_BYTES_MAX = 4 * 1024 * 1024  # at a time
HOLD_S_MAX = 600.0
WAIT_EVERY_S = 0.05  # how late a report that waits notices the end of the run
EVENTS = ("begin", "end")
BEGIN, END, ENDED = "job.begin", "job.end", "job.ended"
POINTS = frozenset({BEGIN, END, ENDED})
"""The places where a job stands while its report is not answered: it has begun; its effect is about to be
applied, and is not if it dies here; its effect is applied, and nobody has been told that it is done."""


def parse(line: bytes) -> Record:
    """A report, in either form. Raises `ValueError` for what is none."""
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"is longer than {LINE_BYTES_MAX} bytes")
    text = line.decode("utf-8", "strict").strip()
    if not text.startswith("{"):
        words = text.split()
        if len(words) > 2:
            raise ValueError("must be two words, or an object")  # one without its newline, and the next
        return _record(dict(zip(("event", "job"), words, strict=False)))
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError("is no object")  # noqa: TRY004  one kind of garbage
    return _record(said)


def _record(said: Mapping[str, Any]) -> Record:
    event, job = said.get("event"), said.get("job")
    if event not in EVENTS:
        raise ValueError(f"event={event!r} must be begin or end")
    if isinstance(job, int) and not isinstance(job, bool):
        job = str(job)
    if not isinstance(job, str) or not job:
        raise ValueError(f"job={job!r} must be the id of a job")
    numbers = {name: said.get(name) for name in ("attempt", "pid", "at_ns")}
    for name, value in numbers.items():
        if value is not None and type(value) is not int:
            raise ValueError(f"{name}={value!r} must be a whole number")
    texts = {name: said.get(name) for name in ("key", "process")}
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name}={value!r} must be a text")
    return Record(job=job, event=event, **numbers, **texts)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet about clients that were killed: that is what we do to them."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Ledger:
    """Takes reports from `start` to `stop`. `on_record` is called in the order of arrival, one at a time.

    `watch` names the places where a posted report waits; `on_point` is told of who stands there.
    """

    def __init__(
        self,
        *,
        file: Path,
        emit: Emit,
        on_record: Callable[[Record], bool],
        watch: frozenset[str],
        on_point: Callable[[PointReached], None],
        process_of: Callable[[str | None, int | None], str | None],
    ) -> None:
        self.file = file
        self._emit = emit
        self._on_record = on_record
        self._watch = watch
        self._on_point = on_point
        self._process_of = process_of
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._offset = 0
        self._inode: int | None = None
        self._rest = b""
        self._skipping = False  # the rest of a line that is too long
        self._bad = 0
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._reader = threading.Thread(target=self._follow, name="ledger file", daemon=True)
        self._started = False

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.touch(mode=0o666)
        self.file.chmod(0o666)
        self._started = True
        self._reader.start()
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="ledger", daemon=True
        ).start()

    def stop(self) -> None:
        """Takes nothing any more. Idempotent."""
        self._over.set()
        if self._started:
            self._started = False
            self._reader.join(2.0)
            self._server.shutdown()
        self._server.server_close()

    def catch_up(self) -> None:
        """Everything that was written to the file before this call has been taken when it returns."""
        with self._reading:
            self._read()

    def finish(self) -> None:
        """The same, and nothing more will come: a last line without its newline is shown."""
        with self._reading:
            self._read()
            if self._rest.strip() and not self._skipping:
                self.complain(self._rest, "has no newline")
                self._rest = b""

    # The file

    def _follow(self) -> None:
        while not self._over.wait(READ_EVERY_S):
            with self._reading:
                self._read()

    def _read(self) -> None:
        """What is there by now, and no more: somebody may write faster than we read."""
        try:
            with self.file.open("rb") as file:
                about = os.fstat(file.fileno())
                size, before, self._inode = about.st_size, self._inode, about.st_ino
                replaced = before not in (None, about.st_ino)
                if replaced or size < self._offset:
                    how = "is another file by now" if replaced else "was shortened"
                    self.complain(b"", f"{how}: what was reported in between may be missing")
                    self._offset, self._rest, self._skipping = 0, b"", False
                file.seek(self._offset)
                while self._offset < size and (data := file.read(min(READ_BYTES_MAX, size - self._offset))):
                    self._offset += len(data)
                    self._take(data)
        except OSError as error:
            self.complain(b"", f"cannot be read: {error.strerror}")

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip() and not self._skipping:
                self._take_line(line)
            self._skipping = False
        if len(self._rest) > LINE_BYTES_MAX:  # it would be no report, however it ends
            if not self._skipping:
                self.complain(self._rest, f"is longer than {LINE_BYTES_MAX} bytes")
            self._rest, self._skipping = b"", True

    def _take_line(self, line: bytes) -> None:
        try:
            record = parse(line)
        except (ValueError, RecursionError) as error:
            self.complain(line, str(error))
            return
        with self._lock:
            self._on_record(record)

    def complain(self, line: bytes, why: str) -> None:
        """A report that nobody understands is shown: an effect may hide in it."""
        self._bad += 1
        if self._bad <= 5:
            shown = line[:200].decode(errors="replace")
            self._emit("evidence", "ledger", problem=why, line=shown, file=self.file.name)

    # Over HTTP

    def take(self, record: Record, alive: Callable[[], bool]) -> bool:
        """Keeps a posted report, and returns when whoever waits for it has let it go: True: applied."""
        if record.event == "begin":
            with self._lock:
                applied = self._on_record(record)
            for point in (BEGIN, CLAIM_COMMITTED):  # a held `enters: active` is the same place
                self._wait_at(point, record, alive)
            return applied
        self._wait_at(END, record, alive)
        if END in self._watch and not alive():
            return False
        with self._lock:
            applied = self._on_record(record)
        self._wait_at(ENDED, record, alive)
        return applied

    def _wait_at(self, point: str, record: Record, alive: Callable[[], bool]) -> None:
        process = self._process_of(record.process, record.pid) if point in self._watch else None
        if process is None:
            return
        let_go = threading.Event()
        self._on_point(
            PointReached(
                point=point,
                process=process,
                pid=record.pid or 0,
                job=record.job,
                facts={},
                answer=lambda _: let_go.set(),
                gone=lambda: not alive(),
            )
        )
        deadline_ns = monotonic_ns() + int(HOLD_S_MAX * 1e9)
        while not let_go.wait(WAIT_EVERY_S) and not self._over.is_set() and monotonic_ns() < deadline_ns:
            pass

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"ledger": self})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ledger: Ledger

    def do_POST(self) -> None:
        body = b""
        try:
            body = self._body()
            record = parse(body)
            self._answer(200, {"applied": self.ledger.take(record, self._is_there)})
        except (ValueError, RecursionError) as error:
            self.ledger.complain(body, str(error))
            self._answer(400, {"error": str(error)})
        except OSError:
            self.close_connection = True  # the client is gone; what it said was heard

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= LINE_BYTES_MAX:
            raise ValueError(f"Content-Length={length!r} must be 0 to {LINE_BYTES_MAX}")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("the client was killed in the midst of its report")
        return body

    def _is_there(self) -> bool:
        """False once the client has closed, or was killed: there is an end of stream to read."""
        try:
            data: bytes = self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return data != b""

    def _answer(self, status: int, answer: Mapping[str, object]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status != 200:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Quiet: what matters is in the history."""
