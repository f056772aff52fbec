"""The API's endpoints of proxies, in raw HTTP: what is done, the statuses, the words."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.conformance.links.servers import EchoServer
from tests.conformance.toxiproxy.conftest import WITHIN_S, Server, connect, pings, refused


def test_an_empty_server_lists_nothing(server: Server) -> None:
    """An object, as proxies are listed by their names."""
    answer = server.ask("GET", "/proxies")
    assert (answer.status, answer.text) == (200, "{}")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Toxiproxy-Request-Id"]


def test_a_proxy_is_shown_as_it_is(server: Server, echo: EchoServer) -> None:
    """201 when it is made; a port of 0 is answered with the real one."""
    upstream = f"127.0.0.1:{echo.port}"
    made = server.proxy(echo.port)
    listen = made["listen"]
    assert listen != "127.0.0.1:0"
    assert made == {"name": "one", "listen": listen, "upstream": upstream, "enabled": True, "toxics": []}
    assert server.ask("GET", "/proxies/one").json == made
    assert server.ask("GET", "/proxies").json == {"one": made}
    assert pings(listen) == b"ping"
    gone = server.ask("DELETE", "/proxies/one")
    assert (gone.status, gone.text) == (204, "")
    assert refused(server, "GET", "/proxies/one") == (404, "proxy not found")
    with pytest.raises(ConnectionRefusedError):
        connect(listen)


@pytest.mark.parametrize("listen", [":0", "", "localhost:0"])
def test_other_ways_to_write_a_free_port(server: Server, echo: EchoServer, listen: str) -> None:
    """An empty host is the loopback, never every interface."""
    made = server.proxy(echo.port, listen=listen)
    assert made["listen"].startswith("127.0.0.1:")
    assert pings(made["listen"]) == b"ping"


def test_ipv6_is_written_in_brackets(server: Server, echo: EchoServer) -> None:
    """Where the machine has it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    made = server.proxy(echo.port, listen="[::1]:0")
    assert made["listen"].startswith("[::1]:")
    port = int(made["listen"].rpartition(":")[2])
    with socket.create_connection(("::1", port), timeout=WITHIN_S) as sock:
        sock.sendall(b"ping")
        assert sock.recv(4) == b"ping"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"upstream": "a:1"}, "missing required field: name"),
        ({"name": "a"}, "missing required field: upstream"),
        ({"name": "", "upstream": ""}, "missing required field: name"),
        (b"", "bad request body: EOF"),
        (b"{", "bad request body: unexpected EOF"),
        (b"no", "bad request body: invalid character 'n' at offset 0"),
        (b"[]", "bad request body: json: cannot unmarshal array into Go value of type toxiproxy.Proxy"),
        (
            {"name": "a", "upstream": "a:1", "enabled": "yes"},
            "bad request body: json: cannot unmarshal string into Go struct field Proxy.enabled of type bool",
        ),
    ],
)
def test_a_bad_proxy_is_refused(server: Server, body: Any, told: str) -> None:
    """400, and nothing is made."""
    assert refused(server, "POST", "/proxies", body) == (400, told)
    assert server.ask("GET", "/proxies").json == {}


def test_bodies_are_read_as_go_reads_them(server: Server) -> None:
    """Keys in any case, unknown ones, null, and what stands behind the value do no harm."""
    body = b' {"NAME": "one", "Upstream": "127.0.0.1:1", "enabled": null, "x": [], "listen": ":0"} rest'
    answer = server.ask("POST", "/proxies", body)
    assert (answer.status, answer.json["enabled"]) == (201, True)


def test_names_clash(server: Server, echo: EchoServer) -> None:
    """409, and the first one stays as it is."""
    made = server.proxy(echo.port)
    body = {"name": "one", "listen": ":0", "upstream": "127.0.0.1:1"}
    assert refused(server, "POST", "/proxies", body) == (409, "proxy already exists")
    assert server.ask("GET", "/proxies/one").json == made


def test_ports_clash(server: Server, echo: EchoServer) -> None:
    """500, as it is the server's trouble; the name is free afterwards, and so is the port once it is."""
    listen = server.proxy(echo.port)["listen"]
    body = {"name": "two", "listen": listen, "upstream": "127.0.0.1:1"}
    told = f"listen tcp {listen}: bind: address already in use"
    assert refused(server, "POST", "/proxies", body) == (500, told)
    server.ask("DELETE", "/proxies/one")
    assert server.ask("POST", "/proxies", body).status == 201


@pytest.mark.parametrize(
    ("listen", "status", "told"),
    [
        ("nonsense", 500, "address nonsense: missing port in address"),
        ("127.0.0.1:99999", 500, "address 99999: invalid port"),
        ("127.0.0.1:no", 500, "lookup tcp/no: unknown port"),
        ("::1:80", 500, "address ::1:80: too many colons in address"),
    ],
)
def test_a_bad_listen_is_refused(server: Server, listen: str, status: int, told: str) -> None:
    """It is looked at when the proxy starts: one that is off may have any."""
    body = {"name": "one", "listen": listen, "upstream": "a:1"}
    assert refused(server, "POST", "/proxies", body) == (status, told)
    answer = server.ask("POST", "/proxies", {**body, "enabled": False})
    assert (answer.status, answer.json["listen"]) == (201, listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"])
def test_nothing_listens_off_the_loopback(server: Server, listen: str) -> None:
    """However it is asked for."""
    body = {"name": "one", "listen": listen, "upstream": "a:1"}
    for method, path in (("POST", "/proxies"), ("POST", "/proxies/two")):
        if path.endswith("two"):
            server.proxy(1, name="two")
        status, told = refused(server, method, path, body)
        assert status == 400
        assert "--allow-remote" in told
    assert server.ask("POST", "/populate", [body]).status == 400


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_proxy_is_switched_off_and_on(server: Server, echo: EchoServer, method: str) -> None:
    """Connections are closed and new ones refused; then the same port is there again."""
    listen = server.proxy(echo.port)["listen"]
    with connect(listen) as sock:
        sock.sendall(b"ping")
        assert sock.recv(4) == b"ping"
        assert server.ask(method, "/proxies/one", {"enabled": False}).json["enabled"] is False
        assert sock.recv(4) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(listen)
    assert server.ask(method, "/proxies/one", {"enabled": True}).json["listen"] == listen
    assert pings(listen) == b"ping"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_another_address_keeps_the_toxics(server: Server, echo: EchoServer, method: str) -> None:
    """Open connections end; the toxics are there on the new address, and in force."""
    old = server.proxy(1)["listen"]
    server.toxic(type="limit_data", attributes={"bytes": 2})
    answer = server.ask(method, "/proxies/one", {"listen": ":0", "upstream": f"127.0.0.1:{echo.port}"})
    assert answer.status == 200
    made = answer.json
    assert made["listen"] != old
    assert [toxic["name"] for toxic in made["toxics"]] == ["limit_data_downstream"]
    assert pings(made["listen"]) == b"pi"
    with pytest.raises(ConnectionRefusedError):
        connect(old)


def test_an_update_that_changes_nothing_closes_nothing(server: Server, echo: EchoServer) -> None:
    """Nor does a name in the body rename, and a host name for the same address is the same address."""
    made = server.proxy(echo.port)
    with connect(made["listen"]) as sock:
        same = {"name": "other", "listen": made["listen"].replace("127.0.0.1", "localhost")}
        assert server.ask("PATCH", "/proxies/one", same).json == made
        sock.sendall(b"ping")
        assert sock.recv(4) == b"ping"


def test_a_failed_update_leaves_the_proxy_off(server: Server, echo: EchoServer) -> None:
    """500, and it is shown with the address that it could not have."""
    taken = server.proxy(echo.port, name="other")["listen"]
    server.proxy(echo.port)
    status, told = refused(server, "PATCH", "/proxies/one", {"listen": taken})
    assert (status, told) == (500, f"listen tcp {taken}: bind: address already in use")
    shown = server.ask("GET", "/proxies/one").json
    assert (shown["listen"], shown["enabled"]) == (taken, False)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/proxies/no"),
        ("POST", "/proxies/no"),
        ("PATCH", "/proxies/no"),
        ("DELETE", "/proxies/no"),
        ("GET", "/proxies/no/toxics"),
        ("POST", "/proxies/no/toxics"),
        ("GET", "/proxies/no/toxics/x"),
        ("PATCH", "/proxies/no/toxics/x"),
        ("DELETE", "/proxies/no/toxics/x"),
    ],
)
def test_an_unknown_proxy_is_404(server: Server, method: str, path: str) -> None:
    """Before its body is looked at."""
    assert refused(server, method, path, b"no json") == (404, "proxy not found")
