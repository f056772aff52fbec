"""The proxy's process lives as long as its harness is connected, and says where it can be reached."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import queue
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conformance.links.conftest import WITHIN_S, Proxy
from tests.conformance.links.servers import EchoServer
from unstuck.errors import HarnessError
from unstuck.links.client import LinkEvent, Links
from unstuck.links.control import Control
from unstuck.links.rules import Drop, Rule

COMMAND = [sys.executable, "-m", "unstuck.links"]


def test_everything_ends_with_the_harness(echo: EchoServer) -> None:
    """When the control connection closes, connections are reset, ports are free, the process exits 0."""
    own = Proxy()
    host, port = own.links.open("a.b", "127.0.0.1", echo.port, "raw")
    with socket.create_connection((host, port), timeout=10) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert own.close() == 0
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port), timeout=10)
    with pytest.raises(HarnessError, match="the proxy is gone"):
        own.links.counts()


def test_a_proxy_that_dies_is_a_harness_error() -> None:
    """Never a failure of the service: a call says that the proxy is gone."""
    own = Proxy()
    own.process.kill()
    own.process.wait()
    with pytest.raises(HarnessError, match="gone"):
        own.links.counts()
    own.close()


def test_nobody_listens_on_the_control_port_after_the_harness_has_come() -> None:
    """One harness for each proxy."""
    own = Proxy()
    own.links.counts()  # it has answered, so it has accepted us and closed its listener
    port = own.links._sock.getpeername()[1]
    with pytest.raises(HarnessError, match="cannot be reached"):
        Links.connect("127.0.0.1", port)
    own.close()


def test_the_control_connection_can_be_inherited(echo: EchoServer) -> None:
    """Then no control port is opened at all."""
    ours, theirs = socket.socketpair()
    fd = theirs.fileno()
    process = subprocess.Popen([*COMMAND, "--control-fd", str(fd)], pass_fds=[fd], stdout=subprocess.DEVNULL)
    theirs.close()
    with Links(ours) as links:
        address = links.open("a.b", "127.0.0.1", echo.port, "raw")
        with socket.create_connection(address, timeout=10) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
    assert process.wait(WITHIN_S) == 0


def test_the_address_can_be_read_from_a_file(tmp_path: Path) -> None:
    """Written whole before the ready line is said."""
    file = tmp_path / "links.address"
    process = subprocess.Popen([*COMMAND, "--ready-file", str(file)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        assert lines.readline() == f"links ready on {file.read_text()}\n"
    host, port = file.read_text().split(":")
    with Links.connect(host, int(port)) as links:
        assert links.counts() == {}
    assert process.wait(WITHIN_S) == 0


# asyncio drops a connection that it was accepting when its loop ended, which in a process is the end of both.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_harness_that_reads_nothing_does_not_fill_the_proxy_s_memory(
    monkeypatch: pytest.MonkeyPatch, echo: EchoServer
) -> None:
    """Events wait for a slow harness up to a limit; beyond it the proxy ends, which is seen."""
    monkeypatch.setattr("unstuck.links.control.UNREAD_BYTES_MAX", 100_000)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    proxy = threading.Thread(target=lambda: asyncio.run(Control(seed=0).serve(theirs)))
    proxy.start()
    with ours:
        ours.settimeout(WITHIN_S)
        ask = {"id": 1, "do": "open", "name": "a.b", "upstream_host": "127.0.0.1", "framer": "raw"}
        ours.sendall(json.dumps({**ask, "upstream_port": echo.port}).encode() + b"\n")
        _, port = json.loads(ours.recv(4096))["ok"]
        ours.sendall(b'{"id": 2, "do": "report_all", "name": "a.b", "enabled": true}\n')
        assert b'"id":2' in ours.recv(4096)
        # 1. the proxy's socket takes our connection; 2. its loop ends before it has looked at it; 3. nobody
        # closes it, as the end of a process would: we hear nothing, and our wait for an echo is over.
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(20_000):  # each is an event or two; nobody reads them
                with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as sock:
                    sock.sendall(b"x")
                    sock.recv(1)
                if not proxy.is_alive():
                    break
        proxy.join(WITHIN_S)
        assert not proxy.is_alive()
    gc.collect()  # here, where such a connection is known to be one of those, and not in the next test


def test_a_bug_of_ours_is_an_event(monkeypatch: pytest.MonkeyPatch, echo: EchoServer) -> None:
    """A connection that breaks in our own code must make the run a harness error, never pass in silence."""

    def broken(_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("unstuck.links.actions.drop.apply", broken)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    proxy = threading.Thread(target=lambda: asyncio.run(Control(seed=0).serve(theirs)))
    proxy.start()
    events: queue.SimpleQueue[LinkEvent] = queue.SimpleQueue()
    with Links(ours) as links:
        links.on_event(events.put)
        address = links.open("a.b", "127.0.0.1", echo.port, "raw")
        links.add_rule(Rule(id="r", action=Drop()))
        with socket.create_connection(address, timeout=10) as sock:
            sock.sendall(b"x")
            assert events.get(timeout=WITHIN_S).event == "matched"
            event = events.get(timeout=WITHIN_S)
    proxy.join(WITHIN_S)
    assert event.event == "broken"
    assert "a bug" in event.facts["error"]
