"""What the server makes of HTTP, and of what is none."""

from __future__ import annotations

import socket

import pytest

from tests.conformance.toxiproxy.conftest import WITHIN_S, Server


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
