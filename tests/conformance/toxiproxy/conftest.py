"""A server of the API in a process of its own, and a plain client that hides nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote

import pytest

from tests.conformance.links.servers import EchoServer

WITHIN_S = 10.0
COMMAND = [sys.executable, "-m", "unstuck", "proxy"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Server:
    """`unstuck proxy` on a free port."""

    arguments: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)  # what it said before it was ready

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [*COMMAND, "--api", "127.0.0.1:0", *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if "http://" in line:
                break
        assert self.lines, self.process.communicate()
        address = self.lines[-1].split("http://")[1].split(";")[0]
        self.host, port = address.split(":")
        self.port = int(port)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Its exit code, and what it wrote to stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=WITHIN_S)
        return self.process.returncode, errors

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """`body` is sent as it is when it is bytes, else as JSON."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=WITHIN_S)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.read().decode(), dict(response.getheaders()))
        finally:
            connection.close()

    def proxy(self, upstream: int, name: str = "one", **fields: Any) -> dict[str, Any]:
        """Makes one; what the server says of it."""
        answer = self.ask(
            "POST",
            "/proxies",
            {"name": name, "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream}", **fields},
        )
        assert answer.status == 201, answer
        made: dict[str, Any] = answer.json
        return made

    def toxic(self, proxy: str = "one", **fields: Any) -> dict[str, Any]:
        """Adds one; what the server says of it."""
        answer = self.ask("POST", f"/proxies/{proxy}/toxics", fields)
        assert answer.status == 200, answer
        made: dict[str, Any] = answer.json
        return made


def connect(listen: str) -> socket.socket:
    """To a proxy, by its address as the API gives it."""
    host, _, port = listen.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=WITHIN_S)


def refused(server: Server, method: str, path: str, body: Any = None) -> tuple[int, str]:
    """Status and message of an error, whose form is checked."""
    answer = server.ask(method, path, body)
    assert answer.text == json.dumps(answer.json, separators=(",", ":"), ensure_ascii=False) + "\n"
    assert set(answer.json) == {"error", "status"}
    assert answer.json["status"] == answer.status
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    return answer.status, answer.json["error"]


def pings(listen: str) -> bytes:
    with connect(listen) as sock:
        sock.sendall(b"ping")
        return sock.recv(4)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    with Server(("--proxy-metrics",)) as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The session's server, empty before and after."""
    yield shared_server
    for name in shared_server.ask("GET", "/proxies").json:
        shared_server.ask("DELETE", f"/proxies/{quote(name)}")


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer() as one:
        yield one
