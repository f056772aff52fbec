"""Calls of a target file to places that do not answer: each is carried out once, and ends."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from unstuck.clock import monotonic_ns
from unstuck.targets.declared.agent_client import CallError
from unstuck.targets.declared.calls import Caller
from unstuck.targets.declared.file import RedisCall, SqlCall

Served = Callable[[socket.socket], None]


@contextmanager
def serving(serve: Served) -> Iterator[tuple[Caller, list[int]]]:
    """A server that does `serve` with each connection, a caller to it, and how many connections it had."""
    count: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                count.append(1)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        address = server.getsockname()
        caller = Caller(
            address_of=lambda _: address, values_of=lambda name: name, databases={"db": "x"}, agent=None
        )
        yield caller, count
        caller.close()
        server.shutdown(socket.SHUT_RDWR)


def test_a_command_that_got_no_answer_is_not_sent_again() -> None:
    """Whether it was carried out nobody knows: a client library that tries again would make a second job."""
    pytest.importorskip("redis")
    pushed: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(4096):
                if b"LPUSH" in data:
                    pushed.append(data)
                    return
                connection.sendall(b"+OK\r\n" * data.count(b"*"))

    with serving(serve) as (caller, _), pytest.raises(CallError) as caught:
        caller.perform(RedisCall(dependency="broker", command=("LPUSH", "q", "1")), {}, 5.0)
    assert caught.value.maybe
    assert len(pushed) == 1


def test_a_statement_that_is_never_answered_ends_with_its_time() -> None:
    """A database that is paused, or behind a link that swallows: the server's own time limit never comes."""
    pytest.importorskip("psycopg")

    def serve(connection: socket.socket) -> None:
        with connection:
            while True:
                length = struct.unpack("!i", connection.recv(4))[0]
                if connection.recv(length - 4)[:4] == b"\x00\x03\x00\x00":
                    break
                connection.sendall(b"N")  # it asks for TLS or GSS first
            connection.sendall(b"R" + struct.pack("!ii", 8, 0) + b"Z" + struct.pack("!ic", 5, b"I"))
            while connection.recv(4096):
                pass

    began_ns = monotonic_ns()
    with serving(serve) as (caller, _), pytest.raises(CallError) as caught:
        caller.perform(SqlCall(dependency="db", statement="insert into jobs values (1)"), {}, 0.3)
    assert caught.value.maybe
    assert (monotonic_ns() - began_ns) / 1e9 < 3
