"""With TOXIPROXY_URL another server of the API carries out what links would; here it is ours."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.links.conftest import OpenLink, Proxy
from tests.conformance.links.servers import EchoServer
from tests.conformance.links.toxic_sockets import comes_nothing, connect, is_quick, put, round_trip_s, take
from tests.conformance.toxiproxy.conftest import WITHIN_S, Server
from unstuck.errors import TargetError, UsageError
from unstuck.links.real_toxiproxy import RealToxiproxy, check_environment, checked_url
from unstuck.links.rules import DOWN, UP
from unstuck.links.toxics.port import Toxic
from unstuck.links.toxics.text import behaviour_of


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """Our links, with the server as the real Toxiproxy behind them."""
    one = Proxy("--toxiproxy", f"http://{server.host}:{server.port}")
    yield one
    assert one.close() == 0


@pytest.fixture
def link(proxy: Proxy, echo: EchoServer) -> OpenLink:
    return OpenLink(
        proxy, "worker-1.queue", *proxy.links.open("worker-1.queue", "127.0.0.1", echo.port, "raw")
    )


def there(server: Server, name: str = "worker-1.queue") -> dict[str, Any]:
    """The proxy behind a link, as the server shows it."""
    [found] = [one for key, one in server.ask("GET", "/proxies").json.items() if key.endswith(f"-{name}")]
    assert isinstance(found, dict)
    return found


def test_a_link_leads_through_the_real_one(server: Server, link: OpenLink, echo: EchoServer) -> None:
    """Its proxy bears the pid of who made it, stays on the loopback, and goes with the link."""
    shown = there(server)
    assert shown["name"] == f"unstuck-{link.proxy.process.pid}-worker-1.queue"
    assert shown["upstream"] == f"127.0.0.1:{echo.port}"
    assert shown["listen"].startswith("127.0.0.1:")
    with connect(link) as sock:
        assert round_trip_s(sock) < WITHIN_S
        server.ask("DELETE", f"/proxies/{shown['name']}")  # so it was in the way
        assert sock.recv(1) == b""


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_toxic_is_put_there(server: Server, link: OpenLink, stream: Any) -> None:
    """And nowhere else: it delays once, is shown by both, and its first bytes are told."""
    with connect(link) as sock:
        round_trip_s(sock)
        name = put(link, "latency", stream, latency=300)
        [toxic] = there(server)["toxics"]
        assert (toxic["name"], toxic["stream"], toxic["attributes"]["latency"]) == (name, stream, 300)
        [shown] = link.links.snapshot()[link.name].toxics
        assert shown == toxic
        assert round_trip_s(sock) >= 0.3
        assert link.wait("poisoned", label=name).facts == toxic
        take(link, name)
        assert there(server)["toxics"] == []
        assert is_quick(sock)


def test_a_toxic_that_swallows_is_met_by_the_request(server: Server, link: OpenLink) -> None:
    """What would come back never does, so nobody could see it."""
    with connect(link) as sock:
        name = put(link, "timeout", "downstream", timeout=0)
        sock.sendall(b"x")
        assert link.wait("poisoned", label=name).facts["type"] == "timeout"
        assert comes_nothing(sock)
        take(link, name)
        assert sock.recv(1) == b""


def test_down_is_done_there(server: Server, link: OpenLink) -> None:
    """Its proxy is off, open connections end, new ones are refused; up is all of it again."""
    with connect(link) as sock:
        round_trip_s(sock)
        link.links.set_state(link.name, DOWN)
        assert there(server)["enabled"] is False
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(link)
    link.links.set_state(link.name, UP)
    assert there(server)["enabled"] is True
    with connect(link) as sock:
        assert round_trip_s(sock) < WITHIN_S


def test_nothing_stays_there(server: Server, link: OpenLink) -> None:
    """A link that is shut takes its proxy along; the end takes all."""
    link.links.open("worker-2.queue", "127.0.0.1", 1, "raw")
    link.links.shut("worker-1.queue")
    assert [name.split("-", 2)[2] for name in server.ask("GET", "/proxies").json] == ["worker-2.queue"]
    link.links.end()
    assert server.ask("GET", "/proxies").json == {}


def test_what_a_killed_one_left_goes_with_the_next(server: Server, link: OpenLink) -> None:
    """Not what is somebody else's, or of a process that lives."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"unstuck-{dead.pid}-a.b", f"unstuck-{os.getpid()}-a.b", "unstuck-a", "theirs"):
        server.proxy(1, name=name)
    real = RealToxiproxy(f"http://{server.host}:{server.port}/")
    real.start()
    left = set(server.ask("GET", "/proxies").json)
    assert left == {there(server)["name"], f"unstuck-{os.getpid()}-a.b", "unstuck-a", "theirs"}


def test_what_it_refuses_is_one_line(server: Server, link: OpenLink) -> None:
    """Somebody removed the proxy: the harness hears of it, and no link keeps half of a toxic."""
    server.ask("DELETE", f"/proxies/{there(server)['name']}")
    with pytest.raises(UsageError, match=r'/toxics: {"error":"proxy not found","status":404}'):
        put(link, "latency", latency=1)
    assert link.links.snapshot()[link.name].toxics == []


def test_a_share_of_connections_is_refused(server: Server, link: OpenLink) -> None:
    """Which of them it picked nobody sees: it would seem to have landed on one that it left alone."""
    toxic = Toxic(
        name="a", stream="upstream", toxicity=0.5, behaviour=behaviour_of("latency", {"latency": 1})
    )
    with pytest.raises(UsageError, match=r"toxicity=0.5 with TOXIPROXY_URL: .* Leave toxicity out"):
        link.links.add_toxic(link.name, toxic)
    assert there(server)["toxics"] == []
    assert link.links.snapshot()[link.name].toxics == []


class Misread(RealToxiproxy):
    """Cannot read back what it put there."""

    def _get(self, path: str) -> Any:
        answer = super()._get(path)
        return {} if "/toxics/" in path else answer


def test_a_toxic_that_cannot_be_read_back_does_not_stay(server: Server) -> None:
    """Nobody would know of it, and take it away."""
    real = Misread(f"http://{server.host}:{server.port}")
    real.create("a.b", "127.0.0.1", 1)
    toxic = Toxic(name="a", stream="upstream", behaviour=behaviour_of("latency", {"latency": 1}))
    with pytest.raises(TargetError, match=r"took .* as {}"):
        real.add_toxic("a.b", toxic)
    assert there(server, "a.b")["toxics"] == []
    real.close()


def test_one_that_is_not_there_is_told() -> None:
    """In one line, before anything runs."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TargetError, match=rf"127.0.0.1:{port}: /proxies: does not answer"):
        RealToxiproxy(f"http://127.0.0.1:{port}").start()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://192.0.2.1:8474", "is not on this machine"),
        ("http://toxiproxy.example:8474", "is not on this machine"),
        ("https://127.0.0.1:8474", "is no address"),
        ("127.0.0.1:8474", "is no address"),
        ("http://127.0.0.1:8474/api", "is no address"),
        ("http://127.0.0.1:no", "is no address"),
        ("http://me@127.0.0.1", "is no address"),
    ],
)
def test_other_addresses_are_refused(url: str, told: str) -> None:
    """Above all those off this machine."""
    with pytest.raises(UsageError, match=told):
        checked_url(url)


def test_the_environment_names_it(server: Server) -> None:
    """Nothing set: none is wanted. Set: it has to be there."""
    assert check_environment({}) is None
    assert check_environment({"TOXIPROXY_URL": ""}) is None
    url = f"http://{server.host}:{server.port}"
    assert check_environment({"TOXIPROXY_URL": url}) == url


def test_the_port_may_be_left_out() -> None:
    """8474 is Toxiproxy's."""
    assert checked_url("http://localhost") == ("127.0.0.1", 8474)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "toxiproxy.api", None)
    with pytest.raises(UsageError, match=r"pip install 'unstuck\[toxiproxy\]'"):
        RealToxiproxy("http://127.0.0.1:8474")
