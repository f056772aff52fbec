"""Looking whether a process is ready."""

from __future__ import annotations

import contextlib
import itertools
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from unstuck import clock
from unstuck.worlds.process.readiness import (
    LineProbe,
    Pauses,
    PortProbe,
    UrlProbe,
    log_tail,
    loopback_address,
)


def test_a_line_counts_from_the_offset_on(tmp_path: Path) -> None:
    """What an earlier incarnation wrote into the same log does not make the next one ready."""
    log = tmp_path / "log"
    log.write_text("ready\n")
    probe = LineProbe(str(log), log.stat().st_size, "ready")
    assert not probe.ready()
    with log.open("a") as file:
        file.write("now rea")
        file.flush()
        assert not probe.ready()
        file.write("dy, at last")
        file.flush()
        assert probe.ready()


def test_a_line_is_found_behind_a_flood_and_in_pieces(tmp_path: Path) -> None:
    """Behind 20 MB in one line, and across the places where reading stops; little of it is ever held."""
    log = tmp_path / "log"
    chunk = 1024 * 1024
    log.write_bytes(b"x" * (20 * chunk - 3) + b"ready\n")
    probe = LineProbe(str(log), 0, "ready")
    tracemalloc.start()
    looks = next(number for number in itertools.count(1) if probe.ready())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert looks == 3  # 8 MB each
    assert peak_bytes < 5 * chunk


def test_a_log_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    """A missing log is no error."""
    assert not LineProbe(str(tmp_path / "none"), 0, "ready").ready()
    assert log_tail(str(tmp_path / "none"), 0) == ""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        one.settimeout(10)
        yield one


def test_a_url_is_asked_without_waiting(listener: socket.socket) -> None:
    """A server that has not answered yet is not ready, and nobody waits; 200 in pieces is ready."""
    probe = UrlProbe(f"http://127.0.0.1:{listener.getsockname()[1]}/readyz?deep=1")
    assert not probe.ready()
    client, _ = listener.accept()
    with client:
        assert client.recv(4096).startswith(b"GET /readyz?deep=1 HTTP/1.0\r\nHost: 127.0.0.1:")
        assert not probe.ready()
        client.sendall(b"HTTP/1.1 20")
        assert not probe.ready()
        client.sendall(b"0 OK\r\n")
        assert probe.ready()


def test_a_server_that_closes_is_asked_again(listener: socket.socket) -> None:
    """503, and an answer that is cut off, lead to a new connection."""
    probe = UrlProbe(f"http://localhost:{listener.getsockname()[1]}/")
    # An answer that is cut off takes two looks: one for what there is, one for the end.
    for answer, looks in ((b"HTTP/1.1 503 Busy\r\n", 1), (b"HT", 2), (b"", 1), (b"HTTP/1.1 200 OK\r\n", 1)):
        probe.ready()
        client, _ = listener.accept()
        with client:
            client.recv(4096)
            client.sendall(answer)
            client.shutdown(socket.SHUT_WR)
            assert any(probe.ready() for _ in range(looks)) == (b"200" in answer)
    probe.close()


def test_a_connection_without_an_answer_is_dropped_in_time(listener: socket.socket) -> None:
    """Whoever accepted it may be gone; not before, since an answer may be on its way."""
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    patient, hasty = UrlProbe(url, answer_within_s=60), UrlProbe(url, answer_within_s=0)
    assert not patient.ready()
    first, _ = listener.accept()
    assert not any(patient.ready() for _ in range(100))
    first.sendall(b"HTTP/1.1 200 OK\r\n")
    assert patient.ready()
    assert not any(hasty.ready() for _ in range(2))
    for _ in range(2):
        client, _ = listener.accept()
        client.close()
    first.close()
    hasty.close()


def test_a_slow_server_gets_longer_with_each_connection(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes a second for each answer is ready all the same, after a few."""
    now_ns = 0
    monkeypatch.setattr(clock, "monotonic_ns", lambda: now_ns)
    probe = UrlProbe(f"http://127.0.0.1:{listener.getsockname()[1]}/", answer_within_s=0.7)
    asked: list[tuple[int, socket.socket]] = []
    listener.settimeout(0)
    for now_ns in range(0, 4_000_000_000, 50_000_000):
        if probe.ready():
            break
        with contextlib.suppress(BlockingIOError):
            asked.append((now_ns, listener.accept()[0]))
        for at_ns, client in asked:
            if now_ns - at_ns == 1_000_000_000:
                with contextlib.suppress(OSError):  # nobody waits for it any more
                    client.sendall(b"HTTP/1.1 200 OK\r\n")
    assert 1_700_000_000 <= now_ns <= 1_900_000_000, "the second was given 1.4 s"
    assert len(asked) == 2
    for _, client in asked:
        client.close()


def test_a_full_backlog_holds_nobody_up() -> None:
    """Who looks has other processes to look after, and deadlines to keep."""
    with socket.socket() as full, contextlib.ExitStack() as held:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        for _ in range(4):
            client = held.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(address)
        probes = UrlProbe(f"http://127.0.0.1:{address[1]}/"), PortProbe(address[1])
        began_ns = clock.monotonic_ns()
        assert not any(probe.ready() for probe in probes)
        assert clock.monotonic_ns() - began_ns < 150_000_000
        for probe in probes:
            probe.close()


def test_nobody_listening_is_not_ready() -> None:
    """A refused connection is no error."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert not UrlProbe(f"http://127.0.0.1:{bound.getsockname()[1]}/").ready()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:80/x", ("127.0.0.1", 80)),
        ("http://localhost/x", ("127.0.0.1", 80)),
        ("https://127.0.0.1/", None),
        ("http://192.0.2.1/", None),
        ("http://0.0.0.0:80/", None),
    ],
)
def test_only_the_loopback_is_asked(url: str, address: tuple[str, int] | None) -> None:
    """http on this machine is the only thing that a ready URL can be."""
    assert loopback_address(url) == address


def test_pauses_grow_from_3_to_50_ms() -> None:
    """Quick roles are seen quickly, slow ones cost 20 looks a second."""
    pauses = Pauses()
    taken = [pauses.next_ns() for _ in range(35)]
    assert taken[0] == 3_000_000
    assert taken == sorted(taken)
    assert taken[-1] == 50_000_000


def test_the_tail_of_a_log_is_one_line(tmp_path: Path) -> None:
    """The last five lines that are not empty, since the offset."""
    log = tmp_path / "log"
    log.write_text("old\n" + "".join(f"line {number}\n\n" for number in range(8)))
    assert log_tail(str(log), 4) == "line 3 | line 4 | line 5 | line 6 | line 7"
    assert log_tail(str(log), 4, lines_max=1) == "line 7"


def test_a_port_is_ready_once_it_listens() -> None:
    """Bound alone is not enough; and looking leaves nothing open."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        probe = PortProbe(server.getsockname()[1])
        assert not probe.ready()
        server.listen()
        assert probe.ready()
        client, _ = server.accept()
        with client:
            client.settimeout(10)
            assert client.recv(1) == b""
    assert not probe.ready()
