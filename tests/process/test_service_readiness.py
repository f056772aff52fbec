"""A dead dependency makes the service's processes unready, restarts none of them, and passes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reference_service.health import DIRECTLY
from unstuck import clock
from unstuck.worlds.process.ports import free_port

WITHIN_S = 30.0
SQS = {
    "GetQueueUrl": {"QueueUrl": "http://127.0.0.1/jobs"},
    "GetQueueAttributes": {
        "Attributes": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
    },
    "ReceiveMessage": {},
}


class Everything(BaseHTTPRequestHandler):
    """An object store without objects, a queue without messages, and a vision API that lives."""

    def do_HEAD(self) -> None:
        self._answer(404, b"")

    def do_GET(self) -> None:
        self._answer(200, b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        asked = self.headers["X-Amz-Target"].rpartition(".")[2]
        self._answer(200, json.dumps(SQS[asked]).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Quiet."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Dependencies:
    """All but the database, at one address: away until `arrive`."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None

    def arrive(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Everything)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()

    def leave(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def dependencies() -> Iterator[Dependencies]:
    one = Dependencies()
    yield one
    one.leave()


def status_of(url: str) -> int:
    """0: nobody answers."""
    try:
        with DIRECTLY.open(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def await_status(url: str, status: int) -> None:
    give_up_at = clock.monotonic_ns() + WITHIN_S * 1e9
    while (found := status_of(url)) != status:
        assert clock.monotonic_ns() < give_up_at, f"{url}: {found}, not {status}"
        clock.sleep(0.05)


@contextmanager
def running(role: str, dependencies: Dependencies, folder: Path) -> Iterator[str]:
    """A process of the role: where it answers, once it lives. It ends in order, without a restart."""
    there, port = f"http://127.0.0.1:{dependencies.port}", free_port()
    environment = os.environ | {
        "REFERENCE_DATABASE_URL": f"sqlite:///{folder}/jobs.db",
        **{f"REFERENCE_{name}": there for name in ("S3_ENDPOINT", "SQS_ENDPOINT", "VISION_URL", "SINK_URL")},
        "REFERENCE_API_PORT": str(port),
        "REFERENCE_METRICS_PORT": str(port),
        "REFERENCE_WORK_FOLDER": str(folder),
        "REFERENCE_API_DRAIN_S": "0",
    }
    command = [sys.executable, "-m", "reference_service"]
    subprocess.run([*command, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, role], env=environment, stdout=log, stderr=log)
    try:
        await_status(f"http://127.0.0.1:{port}/livez", 200)
        yield f"http://127.0.0.1:{port}"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=WITHIN_S) == 0
    finally:
        process.kill()
        process.wait()


def test_a_worker_without_its_dependencies_is_unready_and_not_restarted(
    dependencies: Dependencies, tmp_path: Path
) -> None:
    """Unready while they are away, alive all the time, and ready again when they are back."""
    with running("worker", dependencies, tmp_path) as url:
        assert status_of(f"{url}/readyz") == 503
        dependencies.arrive()
        await_status(f"{url}/readyz", 200)
        dependencies.leave()
        await_status(f"{url}/readyz", 503)
        assert status_of(f"{url}/livez") == 200
        dependencies.arrive()
        await_status(f"{url}/readyz", 200)


def test_an_api_is_unready_without_its_database_only(dependencies: Dependencies, tmp_path: Path) -> None:
    """All else is away all the time. A lock that nobody gives back stands for a database that is."""
    with running("api", dependencies, tmp_path) as url, closing(locker(tmp_path)) as database:
        assert status_of(f"{url}/readyz") == 200
        database.execute("BEGIN IMMEDIATE")
        await_status(f"{url}/readyz", 503)
        assert status_of(f"{url}/livez") == 200
        database.execute("ROLLBACK")
        await_status(f"{url}/readyz", 200)


def locker(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "jobs.db", isolation_level=None)
