"""What the health check of the image says of a role, by exit code and one line."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from reference_service.health import main, trouble
from reference_service.settings import GivenSettings, Settings

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


def test_a_role_without_http_is_asked_on_the_port_of_its_metrics(port: int) -> None:
    """By itself, without its database: a restart would not bring that back."""
    away = "postgresql+psycopg://x@127.0.0.1:9/x"
    assert trouble(given(database_url=away, metrics_port=port), "worker") is None
    with pytest.raises(OSError, match="refused"):
        trouble(given(database_url=away, metrics_port=9), "worker")


def test_without_such_a_port_there_is_no_telling() -> None:
    """One line says what to set."""
    said = trouble(given(), "worker")
    assert said == "REFERENCE_METRICS_PORT=0: nowhere to ask whether it lives; choose a port"
