"""The API in raw HTTP: every endpoint, its status and its words, and what is no HTTP at all."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.conformance.links.servers import EchoServer
from tests.conformance.toxiproxy.conftest import WITHIN_S, Server, connect

LATENCY: dict[str, Any] = {"type": "latency", "attributes": {"latency": 10}}


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


# proxies


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


# toxics


def test_a_toxic_is_shown_as_it_is(server: Server) -> None:
    """Defaults: downstream, all connections, a name made of both, attributes of 0."""
    server.proxy(1)
    made = server.toxic(type="latency")
    assert made == {
        "attributes": {"latency": 0, "jitter": 0},
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1,
    }
    assert server.ask("GET", "/proxies/one/toxics/latency_downstream").json == made
    assert server.ask("GET", "/proxies/one/toxics").json == [made]
    assert server.ask("GET", "/proxies/one").json["toxics"] == [made]
    gone = server.ask("DELETE", "/proxies/one/toxics/latency_downstream")
    assert (gone.status, gone.text) == (204, "")
    assert server.ask("GET", "/proxies/one/toxics").text == "[]"


def test_toxics_are_listed_upstream_first(server: Server) -> None:
    """And in the order in which they were added."""
    server.proxy(1)
    for name, stream in (("a", "downstream"), ("b", "upstream"), ("c", "UPSTREAM"), ("d", "downstream")):
        server.toxic(name=name, type="noop", stream=stream)
    listed = server.ask("GET", "/proxies/one/toxics").json
    assert [(one["name"], one["stream"]) for one in listed] == [
        ("b", "upstream"),
        ("c", "upstream"),
        ("a", "downstream"),
        ("d", "downstream"),
    ]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_update_changes_what_is_given(server: Server, method: str) -> None:
    """Attributes one by one, toxicity, and neither name nor stream."""
    server.proxy(1)
    server.toxic(type="latency", attributes={"latency": 100, "jitter": 10})
    path = "/proxies/one/toxics/latency_downstream"
    changed = server.ask(method, path, {"attributes": {"latency": 1000}, "toxicity": 0.5}).json
    assert (changed["attributes"], changed["toxicity"]) == ({"latency": 1000, "jitter": 10}, 0.5)
    body = {"name": "x", "stream": "upstream", "type": "noop"}
    assert server.ask(method, path, body).json == changed
    assert server.ask("GET", path).json == changed


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({}, 400, "invalid toxic type"),
        ({"type": "laziness"}, 400, "invalid toxic type"),
        (
            {"type": "latency", "stream": "sideways"},
            400,
            "stream was invalid, can be either upstream or downstream",
        ),
        ({"name": "there", "type": "noop"}, 409, "toxic already exists"),
        ({"name": "there", "type": "noop", "stream": "upstream"}, 409, "toxic already exists"),
        (b"", 400, "bad request body: EOF"),
        (
            {"type": "latency", "attributes": {"latency": "1s"}},
            400,
            (
                "bad request body: json: cannot unmarshal string into Go struct field "
                ".attributes.latency of type int64"
            ),
        ),
        (
            {"type": "latency", "attributes": {"latency": 1.5}},
            400,
            (
                "bad request body: json: cannot unmarshal number 1.5 into Go struct field "
                ".attributes.latency of type int64"
            ),
        ),
        (
            {"type": "latency", "toxicity": "much"},
            400,
            (
                "bad request body: json: cannot unmarshal string into Go struct field "
                "ToxicWrapper.toxicity of type float32"
            ),
        ),
    ],
)
def test_a_bad_toxic_is_refused(server: Server, body: Any, status: int, told: str) -> None:
    """And the others stay as they are."""
    server.proxy(1)
    server.toxic(name="there", type="noop")
    assert refused(server, "POST", "/proxies/one/toxics", body) == (status, told)
    assert len(server.ask("GET", "/proxies/one/toxics").json) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_an_unknown_toxic_is_404(server: Server, method: str) -> None:
    """Whatever is asked of it."""
    server.proxy(1)
    assert refused(server, method, "/proxies/one/toxics/no", {}) == (404, "toxic not found")


@pytest.mark.parametrize("body", [b"x" * 10, {"toxicity": 1e300}, {"attributes": {"latency": 2**63}}])
def test_a_bad_update_changes_nothing(server: Server, body: Any) -> None:
    """400, and the toxic is as it was: also for numbers that Go's types do not hold."""
    server.proxy(1)
    made = server.toxic(**LATENCY)
    path = f"/proxies/one/toxics/{made['name']}"
    assert refused(server, "PATCH", path, body)[0] == 400
    assert server.ask("GET", path).json == made


def test_an_update_takes_effect_on_an_open_connection(server: Server, echo: EchoServer) -> None:
    """A limit that is lifted, a toxicity that is raised from nothing."""
    listen = server.proxy(echo.port)["listen"]
    server.toxic(name="limit", type="limit_data", attributes={"bytes": 4}, toxicity=0)
    with connect(listen) as sock:
        sock.sendall(b"ping")
        assert sock.recv(10) == b"ping"
        server.ask("PATCH", "/proxies/one/toxics/limit", {"toxicity": 1})
        sock.sendall(b"pong!")
        assert sock.recv(10) == b"pong"
        assert sock.recv(10) == b""


# populate, reset, version, metrics


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


# HTTP


def test_browsers_are_kept_out(server: Server) -> None:
    """A page of the web must not reach it: 403."""
    answer = server.ask("GET", "/proxies", headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"})
    assert (answer.status, answer.text) == (403, "User agent not allowed\n")


@pytest.mark.parametrize("path", ["/", "/nothing", "/proxies/", "/proxies/a/b", "/proxies/a/toxics/b/c"])
def test_an_unknown_path_is_404(server: Server, path: str) -> None:
    """In plain words."""
    answer = server.ask("GET", path)
    assert (answer.status, answer.text) == (404, "404 page not found\n")


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/proxies"), ("GET", "/reset"), ("DELETE", "/version"), ("HEAD", "/proxies")]
)
def test_an_unknown_method_is_405(server: Server, method: str, path: str) -> None:
    """Without a word."""
    answer = server.ask(method, path)
    assert (answer.status, answer.text) == (405, "")


def test_names_may_hold_anything_that_a_path_can(server: Server) -> None:
    """Spaces and umlauts come percent-encoded."""
    server.proxy(1, name="größer als/x"[:10])
    assert server.ask("GET", "/proxies/gr%C3%B6%C3%9Fer%20als").json["name"] == "größer als"


def raw(server: Server, data: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    with socket.create_connection((server.host, server.port), timeout=WITHIN_S) as sock:
        sock.sendall(data)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_body_may_come_in_chunks(server: Server) -> None:
    """With extensions and trailers, as Go's client sends bodies of unknown length."""
    body = b'5;x=y\r\n{"nam\r\n25\r\ne":"one","listen":":0","upstream":"a:\r\n3\r\n1"}\r\n0\r\nT: t\r\n\r\n'
    head = b"POST /proxies HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = raw(server, head + body)
    assert answer.startswith(b"HTTP/1.1 201 Created\r\n")
    assert server.ask("GET", "/proxies/one").json["upstream"] == "a:1"


def test_a_connection_serves_many_requests(server: Server) -> None:
    """Also such as were sent before the first was answered; the last one ends it."""
    one = b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert raw(server, one + one + last).count(b"HTTP/1.1 200 OK") == 3
    assert raw(server, b"GET /version HTTP/1.0\r\n\r\n").count(b"HTTP/1.1 200 OK") == 1


def test_a_client_that_asks_first_is_told_to_go_on(server: Server) -> None:
    """`Expect: 100-continue`."""
    head = b"POST /reset HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n{}"
    assert raw(server, head).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHead er : x\r\n\r\n", 400),
        (b"POST /reset HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /reset HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST /reset HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /reset HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /reset HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /reset HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (b"POST /reset HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 100_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_request_ends_its_connection(server: Server, data: bytes, status: int) -> None:
    """With an answer, and the server lives on."""
    try:
        answer = raw(server, data)
    except ConnectionResetError:  # it did not read all of what was too much
        answer = b""
    assert answer == b"" or answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert server.ask("GET", "/version").status == 200
