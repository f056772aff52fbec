"""`unstuck proxy` says where it is, ends with Ctrl-C, and leaves nothing."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.links.servers import EchoServer
from tests.conformance.toxiproxy.conftest import WITHIN_S, Server, connect
from unstuck.cli import main


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_with_130(echo: EchoServer, number: signal.Signals) -> None:
    """Connections end, ports are free, and stderr is empty; also while a toxic holds something."""
    with Server() as server:
        listen = server.proxy(echo.port)["listen"]
        server.toxic(type="latency", attributes={"latency": 60_000})
        with connect(listen) as sock:
            sock.sendall(b"x")
            assert server.ask("GET", "/version").status == 200
            assert server.end(number) == (130, "")
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        with pytest.raises(ConnectionRefusedError):
            connect(listen)


def test_a_file_of_proxies_is_made_at_the_start(tmp_path: Path, echo: EchoServer) -> None:
    """In the form of toxiproxy.json; it says where each of them listens."""
    file = tmp_path / "toxiproxy.json"
    one = {"name": "one", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{echo.port}"}
    off = {"name": "off", "listen": "127.0.0.1:1", "upstream": "127.0.0.1:2", "enabled": False}
    file.write_text(json.dumps([one, off]))
    with Server(("--config", str(file))) as server:
        listen = server.ask("GET", "/proxies/one").json["listen"]
        assert server.lines[:2] == [
            f"one: {listen} -> 127.0.0.1:{echo.port}\n",
            "off: 127.0.0.1:1 -> 127.0.0.1:2 (off)\n",
        ]
        with connect(listen) as sock:
            sock.sendall(b"ping")
            assert sock.recv(4) == b"ping"


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command in this process; the one line that it says before it ends with 2."""

    def run(*arguments: str) -> str:
        code = main(["proxy", *arguments])
        said = capsys.readouterr()
        assert (code, said.out, said.err.count("\n")) == (2, "", 1), said
        return said.err

    return run


def test_a_port_that_is_taken_is_one_line(refused: Callable[..., str]) -> None:
    """Exit code 2, with the next step."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refused("--api", f"127.0.0.1:{port}")
    assert line == (
        f"unstuck proxy: api='127.0.0.1:{port}' cannot be had: address already in use. "
        "Take another port, or port 0.\n"
    )


@pytest.mark.parametrize(
    ("api", "told"),
    [
        ("nonsense", "missing port in address"),
        ("127.0.0.1:99999", "invalid port"),
        ("no-such-host.invalid:80", "no such host"),
        ("0.0.0.0:0", "not on this machine's loopback"),
        ("192.0.2.1:80", "not on this machine's loopback"),
    ],
)
def test_a_bad_address_is_one_line(refused: Callable[..., str], api: str, told: str) -> None:
    """Exit code 2; off the loopback only when the command line says so."""
    assert told in refused("--api", api)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "unexpected EOF"),
        ("{}", "cannot unmarshal object"),
        ('[{"name": "a"}]', "missing required field: upstream at proxy 1"),
        ('[{"name": "a", "upstream": "b:1", "listen": "x"}]', "missing port in address"),
        ('[{"name": "a", "upstream": "b:1", "listen": "0.0.0.0:0"}]', "--allow-remote"),
    ],
)
def test_a_bad_file_is_one_line(refused: Callable[..., str], tmp_path: Path, text: str, told: str) -> None:
    """Exit code 2, and nothing listens."""
    file = tmp_path / "toxiproxy.json"
    file.write_text(text)
    assert told in refused("--api", "127.0.0.1:0", "--config", str(file))
    assert "cannot be read" in refused("--config", str(tmp_path / "no.json"))


def test_remote_addresses_are_for_those_who_ask(echo: EchoServer) -> None:
    """With --allow-remote a proxy may listen on every interface."""
    with Server(("--allow-remote",)) as server:
        made = server.proxy(echo.port, listen="0.0.0.0:0")
        assert made["listen"].startswith("0.0.0.0:")
        with socket.create_connection(
            ("127.0.0.1", int(made["listen"].split(":")[1])), timeout=WITHIN_S
        ) as sock:
            sock.sendall(b"ping")
            assert sock.recv(4) == b"ping"
        assert server.ask("GET", "/metrics").status == 404
