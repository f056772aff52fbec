"""Without a rule a link is a wire: bytes, ends, resets and speed limits are those of the peers."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.links.conftest import WITHIN_S, OpenLink, Proxy
from tests.conformance.links.servers import EchoServer, HttpServer
from unstuck.errors import UsageError
from unstuck.links.rules import BLACKHOLE, DOWN, UP, Hold, latency

Open = Callable[[int, str], OpenLink]
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads memory and files in /proc")
RESET = struct.pack("ii", 1, 0)


def connect(link: OpenLink, timeout_s: float = 10.0) -> socket.socket:
    return socket.create_connection((link.host, link.port), timeout=timeout_s)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def pair(link: OpenLink, upstream: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection through the link."""
    client = connect(link)
    server, _ = upstream.accept()
    server.settimeout(10)
    return client, server


@pytest.mark.parametrize("framer", ["raw", "http1", "postgres"])
@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_come_back_as_they_went(
    open_link: Open, echo: EchoServer, framer: str, seed: int
) -> None:
    """Whatever a framer thinks of them; and half-close: the reply comes after the client's end."""
    rng = random.Random(seed)
    data = b"GET" * (seed == 1) + rng.randbytes(200_000)
    with connect(open_link(echo.port, framer)) as sock:
        reader = threading.Thread(target=lambda: replies.append(read_all(sock)))
        replies: list[bytes] = []
        reader.start()
        start = 0
        while start < len(data):
            size = rng.choice([1, 10, 1000, 60_000])
            sock.sendall(data[start : start + size])
            start += size
        sock.shutdown(socket.SHUT_WR)
        reader.join(10)
    assert replies == [data + b"|end"]


def test_bytes_are_the_same_after_a_rule_is_removed(open_link: Open, echo: EchoServer) -> None:
    """A rule that held something leaves no trace on its connection."""
    link = open_link(echo.port, "raw")
    rule = link.rule(Hold(), nth=2)
    with connect(link) as sock:
        sock.sendall(b"one")
        assert sock.recv(10) == b"one"
        sock.sendall(b"two")
        link.wait("held", rule=rule)
        sock.sendall(b"three")
        link.links.remove_rule(rule)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"twothree|end"


def test_the_dependency_may_end_first(open_link: Open, upstream: socket.socket) -> None:
    """Its end of stream reaches the client, who can still send."""
    client, server = pair(open_link(upstream.getsockname()[1], "raw"), upstream)
    with client, server:
        server.sendall(b"bye")
        server.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"bye"
        client.sendall(b"still here")
        client.shutdown(socket.SHUT_WR)
        assert read_all(server) == b"still here"


@pytest.mark.parametrize("side", ["client", "dependency"])
def test_a_reset_reaches_the_other_side_as_a_reset(
    open_link: Open, upstream: socket.socket, side: str
) -> None:
    """Not as an orderly end: the difference is what some clients retry on."""
    client, server = pair(open_link(upstream.getsockname()[1], "raw"), upstream)
    gone, left = (client, server) if side == "client" else (server, client)
    gone.sendall(b"x")
    assert left.recv(1) == b"x"
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    gone.close()
    with left, pytest.raises(ConnectionResetError):
        left.recv(1)


@needs_proc
def test_a_slow_reader_slows_the_sender_down(open_link: Open, upstream: socket.socket, proxy: Proxy) -> None:
    """100 MB into a peer that does not read: the proxy's memory stays flat; then all of it arrives."""
    client, server = pair(open_link(upstream.getsockname()[1], "raw"), upstream)
    size, block = 100_000_000, os.urandom(1_000_000)
    sent = [0]

    def send() -> None:
        for _ in range(size // len(block)):
            client.sendall(block)
            sent[0] += len(block)
        client.shutdown(socket.SHUT_WR)

    before = memory_bytes(proxy)
    with client, server:
        client.settimeout(None)
        sender = threading.Thread(target=send)
        sender.start()
        client_is_stopped(sent)
        assert sent[0] < size
        assert memory_bytes(proxy) - before < 30_000_000
        got = 0
        while data := server.recv(1 << 20):
            got += len(data)
        sender.join(10)
    assert got == size
    assert memory_bytes(proxy) - before < 30_000_000


def client_is_stopped(sent: list[int]) -> None:
    """Returns when nothing more can be sent: no progress in many looks."""
    stopped = threading.Event()
    seen, looks = -1, 0
    while looks < 10:
        looks = looks + 1 if sent[0] == seen else 0
        seen = sent[0]
        stopped.wait(0.02)


def memory_bytes(proxy: Proxy) -> int:
    """Resident memory of the proxy's process."""
    status = Path(f"/proc/{proxy.process.pid}/statm").read_text()
    return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")


@needs_proc
def test_a_large_body_streams_through_the_http_framer(
    open_link: Open, http: HttpServer, proxy: Proxy
) -> None:
    """100 MB up, in flat memory."""
    link = open_link(http.port, "http1")
    block, before = b"x" * 1_000_000, memory_bytes(proxy)
    with connect(link) as sock:
        sock.sendall(b"PUT /big HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(100):
            sock.sendall(block)
        assert b"200 OK" in sock.recv(65536)
    assert len(http.requests[0][1]) == 100_000_000
    assert memory_bytes(proxy) - before < 30_000_000


def test_a_refused_dependency_is_a_closed_connection_and_an_event(open_link: Open) -> None:
    """The client cannot be refused any more, so it is reset at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    link = open_link(port, "raw")
    with pytest.raises(ConnectionResetError), connect(link) as sock:  # it may come while we connect
        sock.recv(1)
    assert str(port) in link.wait("refused").facts["error"]


@pytest.mark.parametrize("who", ["client", "dependency"])
def test_a_request_whose_reply_never_came_is_an_event(
    open_link: Open, upstream: socket.socket, who: str
) -> None:
    """Whoever of the two ends the connection; a poll that is given up was no call in vain."""
    link = open_link(upstream.getsockname()[1], "http1")
    for line, more in (("POST /", "X-Amz-Target: AmazonSQS.ReceiveMessage\r\n"), ("POST /caption", "")):
        with connect(link) as client:
            client.sendall(f"{line} HTTP/1.1\r\n{more}Content-Length: 0\r\n\r\n".encode())
            dependency, _ = upstream.accept()
            with dependency:
                dependency.settimeout(WITHIN_S)
                assert dependency.recv(4096)
                (client if who == "client" else dependency).shutdown(socket.SHUT_RDWR)
                assert (dependency if who == "client" else client).recv(4096) == b""
    told = link.wait("unanswered")
    assert (told.label, told.kind, told.exchange) == ("POST /caption", "write", 1)
    assert len(link.events("unanswered")) == 1


class Dialogue:
    """One connection through a link: both its ends in our hands."""

    def __init__(self, link: OpenLink, upstream: socket.socket, request: bytes) -> None:
        self.client = connect(link)
        self.client.sendall(request)
        self.dependency, _ = upstream.accept()
        self.dependency.settimeout(WITHIN_S)
        assert self.dependency.recv(4096) == request

    def replies(self, reply: bytes) -> None:
        """It comes whole, to a client that still reads."""
        self.dependency.sendall(reply)
        assert self.client.recv(len(reply), socket.MSG_WAITALL) == reply

    def end(self) -> None:
        self.dependency.close()
        self.client.close()


ASKED = b"POST /caption HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
ANSWERED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def told_of(link: OpenLink, upstream: socket.socket) -> list[str]:
    """The labels of what has been told as unanswered until one is that surely was not. Once a link."""
    Dialogue(link, upstream, b"POST /last HTTP/1.1\r\nContent-Length: 0\r\n\r\n").end()
    link.wait("unanswered", label="POST /last")
    return [str(event.label) for event in link.events("unanswered")][:-1]


@pytest.mark.parametrize(("torn", "told"), [(False, []), (True, ["POST /caption"])])
def test_a_reply_that_ends_with_its_connection_is_an_answer(
    open_link: Open, upstream: socket.socket, torn: bool, told: list[str]
) -> None:
    """As servers of HTTP/1.0 end theirs; one that is torn off is none."""
    link = open_link(upstream.getsockname()[1], "http1")
    talk = Dialogue(link, upstream, ASKED)
    talk.replies(b"HTTP/1.0 200 OK\r\n\r\nall of it")
    if torn:
        talk.dependency.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    talk.dependency.close()
    with contextlib.suppress(ConnectionResetError):
        assert talk.client.recv(1) == b""
    talk.end()
    assert told_of(link, upstream) == told


def test_a_client_that_half_closes_and_waits_is_answered(open_link: Open, upstream: socket.socket) -> None:
    """It has said all that it will, and reads on."""
    link = open_link(upstream.getsockname()[1], "http1")
    talk = Dialogue(link, upstream, ASKED)
    talk.client.shutdown(socket.SHUT_WR)
    assert talk.dependency.recv(1) == b""
    talk.replies(ANSWERED)
    talk.dependency.close()
    assert talk.client.recv(1) == b""
    talk.end()
    assert told_of(link, upstream) == []


@pytest.mark.parametrize("who", ["client", "dependency"])
def test_an_upgraded_connection_has_no_requests_to_answer(
    open_link: Open, upstream: socket.socket, who: str
) -> None:
    """From then on its bytes are another protocol's, whoever ends it."""
    link = open_link(upstream.getsockname()[1], "http1")
    talk = Dialogue(link, upstream, b"GET /talk HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
    talk.replies(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi")
    first, second = (talk.client, talk.dependency) if who == "client" else (talk.dependency, talk.client)
    first.shutdown(socket.SHUT_RDWR)
    assert second.recv(1) == b""
    talk.end()
    assert told_of(link, upstream) == []


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_a_reply_to_a_client_that_has_gone_came_too_late(
    open_link: Open, upstream: socket.socket, how: str
) -> None:
    """It gave up waiting: that somebody replies afterwards, to nobody, is no answer."""
    link = open_link(upstream.getsockname()[1], "http1")
    talk = Dialogue(link, upstream, ASKED)
    if how == "resets":
        talk.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    talk.client.close()
    with contextlib.suppress(ConnectionResetError):
        assert talk.dependency.recv(1) == b""
        talk.dependency.sendall(ANSWERED)
    talk.end()
    assert told_of(link, upstream) == ["POST /caption"]


def test_a_client_that_gives_a_silent_link_up_had_no_answer(open_link: Open, upstream: socket.socket) -> None:
    """What it asked comes through when the link is up again, and is replied to."""
    link = open_link(upstream.getsockname()[1], "http1")
    client, dependency = pair(link, upstream)
    link.links.set_state(link.name, BLACKHOLE)
    client.sendall(ASKED)
    client.close()
    link.links.set_state(link.name, UP)
    assert read_all(dependency) == ASKED
    dependency.sendall(ANSWERED)
    dependency.close()
    assert told_of(link, upstream) == ["POST /caption"]


@needs_proc
def test_thousands_of_connections_leave_no_descriptors(
    open_link: Open, echo: EchoServer, proxy: Proxy
) -> None:
    """Orderly, half-closed and reset ones, in turn."""
    link = open_link(echo.port, "raw")
    before = descriptors(proxy)
    for number in range(2000):
        sock = connect(link)
        if number % 3:
            sock.sendall(b"x")
        if number % 3 == 1:
            assert sock.recv(1) == b"x"
        if number % 3 == 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()
    settled = threading.Event()
    for _ in range(500):
        if link.links.snapshot()[link.name].open == 0:
            break
        settled.wait(0.01)
    assert link.links.snapshot()[link.name].connections == 2000
    assert descriptors(proxy) <= before


def descriptors(proxy: Proxy) -> int:
    return len(list(Path(f"/proc/{proxy.process.pid}/fd").iterdir()))


def test_down_resets_what_is_open_and_refuses_what_is_new(open_link: Open, echo: EchoServer) -> None:
    """And `up` brings the same address back."""
    link = open_link(echo.port, "raw")
    with connect(link) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        link.links.set_state(link.name, DOWN)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(link)
    link.links.set_state(link.name, UP)
    with connect(link) as sock:
        sock.sendall(b"y")
        assert sock.recv(1) == b"y"


def test_a_blackhole_keeps_bytes_until_it_ends(open_link: Open, echo: EchoServer) -> None:
    """As a partition: silence on open and new connections, and nothing is lost when it heals."""
    link = open_link(echo.port, "raw")
    with connect(link, timeout_s=0.1) as old:
        old.sendall(b"a")
        assert old.recv(1) == b"a"
        link.links.set_state(link.name, BLACKHOLE)
        old.sendall(b"old")
        with connect(link, timeout_s=0.1) as new:
            new.sendall(b"new")
            for sock in (old, new):
                with pytest.raises(TimeoutError):
                    sock.recv(1)
                sock.settimeout(10)
            link.links.set_state(link.name, UP)
            assert old.recv(3) == b"old"
            assert new.recv(3) == b"new"


def test_latency_delays_each_way_and_keeps_order(open_link: Open, echo: EchoServer) -> None:
    """Two times the latency for a round trip; bytes sent together arrive together."""
    link = open_link(echo.port, "raw")
    link.links.set_state(link.name, latency(0.05))
    with connect(link, timeout_s=0.09) as sock:
        sock.sendall(b"1")
        sock.sendall(b"2")
        with pytest.raises(TimeoutError):
            sock.recv(2)  # 90 ms are less than two times 50
        sock.settimeout(10)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"12|end"


def test_a_state_can_be_set_on_links_by_glob(open_link: Open, echo: EchoServer) -> None:
    """The names that it reached come back; a name that fits none is an error with a suggestion."""
    link = open_link(echo.port, "raw")
    assert link.links.set_state(f"*{link.name[4:]}", UP) == (link.name,)
    with pytest.raises(UsageError, match="Did you mean"):
        link.links.set_state(link.name + "x", UP)


def test_unknown_framers_are_refused(proxy: Proxy) -> None:
    """With the names that are known."""
    with pytest.raises(UsageError, match="Did you mean 'http1'"):
        proxy.links.open("a.b", "127.0.0.1", 1, "http")
