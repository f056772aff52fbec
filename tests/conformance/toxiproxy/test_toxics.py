"""The API's endpoints of toxics, in raw HTTP: what is done, the statuses, the words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.links.servers import EchoServer
from tests.conformance.toxiproxy.conftest import Server, connect, refused

LATENCY: dict[str, Any] = {"type": "latency", "attributes": {"latency": 10}}


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
