"""The API's endpoints of the whole server, in raw HTTP: populate, reset, version, metrics."""

from __future__ import annotations

import pytest

from tests.conformance.links.servers import EchoServer
from tests.conformance.toxiproxy.conftest import Server, connect, pings


def test_populate_keeps_what_is_the_same(server: Server, echo: EchoServer) -> None:
    """With its toxics and connections; what differs is made anew, without them."""
    upstream = f"127.0.0.1:{echo.port}"
    kept, moved = server.proxy(echo.port, name="kept"), server.proxy(1, name="moved")
    for name in ("kept", "moved"):
        server.toxic(name, type="noop")
    wanted = [
        {"name": "kept", "listen": kept["listen"], "upstream": upstream},
        {"name": "moved", "listen": moved["listen"], "upstream": upstream},
        {"name": "new", "listen": "127.0.0.1:0", "upstream": upstream, "enabled": False},
    ]
    with connect(kept["listen"]) as sock:
        answer = server.ask("POST", "/populate", wanted)
        sock.sendall(b"ping")
        assert sock.recv(4) == b"ping"
    assert answer.status == 201
    made = answer.json["proxies"]
    assert [(one["name"], one["enabled"], len(one["toxics"])) for one in made] == [
        ("kept", True, 1),
        ("moved", True, 0),
        ("new", False, 0),
    ]
    assert pings(moved["listen"]) == b"ping"


def test_populate_checks_everything_first(server: Server) -> None:
    """The second lacks its name, so the first is not made."""
    wanted = [{"name": "a", "listen": ":0", "upstream": "a:1"}, {"upstream": "a:1"}]
    answer = server.ask("POST", "/populate", wanted)
    assert answer.status == 400
    assert answer.json == {
        "error": "missing required field: name at proxy 2",
        "status": 400,
        "proxies": None,
    }
    wanted[1] = {"name": "b"}
    told = server.ask("POST", "/populate", wanted).json["error"]
    assert told == "missing required field: upstream at proxy 2"
    assert server.ask("GET", "/proxies").json == {}


def test_populate_stops_at_the_first_that_cannot_be_had(server: Server) -> None:
    """Those before it stay, those behind it are not tried."""
    wanted = [{"name": name, "listen": ":0", "upstream": "a:1"} for name in "abc"]
    wanted[1]["listen"] = "nonsense"
    answer = server.ask("POST", "/populate", wanted)
    assert (answer.status, answer.json["error"]) == (500, "address nonsense: missing port in address")
    assert [one["name"] for one in answer.json["proxies"]] == ["a"]
    assert list(server.ask("GET", "/proxies").json) == ["a"]


@pytest.mark.parametrize(("body", "status"), [(b"[]", 201), (b"{}", 400), (b"", 400), (b"[1]", 400)])
def test_populate_with_nothing(server: Server, body: bytes, status: int) -> None:
    """An empty list is one; anything else is not."""
    answer = server.ask("POST", "/populate", body)
    assert (answer.status, answer.json["proxies"]) == (status, None)


def test_reset_releases_what_toxics_hold(server: Server, echo: EchoServer) -> None:
    """On connections that are open, too."""
    listen = server.proxy(echo.port)["listen"]
    server.toxic(type="latency", attributes={"latency": 60_000})
    server.toxic(type="bandwidth", stream="upstream", attributes={"rate": 0})
    with connect(listen) as sock:
        sock.sendall(b"ping")
        answer = server.ask("POST", "/reset")
        assert (answer.status, answer.text) == (204, "")
        assert sock.recv(4) == b"ping"
    assert server.ask("GET", "/proxies/one/toxics").json == []


def test_the_version_is_toxiproxy_s_and_ours(server: Server) -> None:
    """In Toxiproxy's form, so that clients can compare it."""
    answer = server.ask("GET", "/version")
    assert answer.json["version"].startswith("2.12.0+unstuck.")
    assert answer.text.endswith("}\n")
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"


def test_metrics_count_bytes(server: Server, echo: EchoServer) -> None:
    """Received and sent, by direction, as Prometheus reads it."""
    made = server.proxy(echo.port)
    assert pings(made["listen"]) == b"ping"
    labels = f'listener="{made["listen"]}",proxy="one",upstream="{made["upstream"]}"'
    lines = server.ask("GET", "/metrics").text.splitlines()
    for name in ("received", "sent"):
        assert f"# TYPE toxiproxy_proxy_{name}_bytes_total counter" in lines
        assert f'toxiproxy_proxy_{name}_bytes_total{{direction="upstream",{labels}}} 4' in lines
