"""What the health check of the image says of a role, by exit code and one line."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from reference_service.clock import SystemClock
from reference_service.health import main, trouble
from reference_service.settings import GivenSettings, Settings
from reference_service.store import SqlDatabase, Store, events
from reference_service.store.migrations import migrate

NOBODY = "http://127.0.0.1:9"


class Alive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    """Of something that says that it lives."""
    with HTTPServer(("127.0.0.1", 0), Alive) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def given(**values: object) -> Settings:
    return GivenSettings.model_validate({"database_url": "sqlite://", "sink_url": NOBODY, **values})


def test_what_answers_is_healthy(port: int) -> None:
    """The API by its own port, the stubs by those of their URLs."""
    assert trouble(given(api_port=port), "api") is None
    assert trouble(given(sink_url=f"http://sink:{port}"), "sink") is None
    assert trouble(given(vision_url=f"http://vision:{port}"), "vision") is None


def test_a_proxy_of_the_environment_is_not_asked(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker hands its client's proxy to every container; the role itself is never behind it."""
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers what stood in the environment before
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, NOBODY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert trouble(given(api_port=port), "api") is None


def test_what_does_not_answer_is_not_healthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and why in one line."""
    for name, value in (("DATABASE_URL", "sqlite://"), ("SINK_URL", NOBODY), ("API_PORT", "9")):
        monkeypatch.setenv(f"REFERENCE_{name}", value)
    assert main("api") == 1
    said = capsys.readouterr().err
    assert (said.startswith("api: "), said.count("\n")) == (True, 1)


def test_a_role_without_http_is_healthy_while_it_beats(tmp_path: Path) -> None:
    """By its row in the register: none, one of another role, or one of its own."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    settings = given(database_url=url, instance="worker-1")
    database = SqlDatabase(url, SystemClock())
    database.run(migrate)
    store = Store.of(settings, database)
    assert trouble(settings, "worker") == "no heartbeat of worker-1 for 60 s"
    events.register_instance(store, instance="worker-1", role="relay", boot_id="b-1", pid=1)
    assert trouble(settings, "worker") == "no heartbeat of worker-1 for 60 s"
    events.register_instance(store, instance="worker-1", role="worker", boot_id="b-2", pid=1)
    assert trouble(settings, "worker") is None
    database.close()
