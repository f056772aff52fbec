"""A database that takes what it is sent and never answers: waited for, but not for long."""

from __future__ import annotations

import socket
import sqlite3
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from reference_service.clock import SystemClock
from reference_service.ports import CommitUnknown, Unavailable
from reference_service.store import SqlDatabase

ANSWER_S = 0.3
pytestmark = pytest.mark.process


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


WELCOME = (
    message(b"R", struct.pack(">I", 0))
    + message(b"S", b"server_version\x0018.0\0")
    + message(b"S", b"client_encoding\0UTF8\0")
    + message(b"K", struct.pack(">II", 1, 1))
    + message(b"Z", b"I")
)


class Mute:
    """Lets clients in, as PostgreSQL does, and then reads what they send."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://x@127.0.0.1:{self.listener.getsockname()[1]}/x?sslmode=disable"
        self.clients: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self._welcome, args=(client,), daemon=True).start()

    def _welcome(self, client: socket.socket) -> None:
        try:
            (length,) = struct.unpack(">I", client.recv(4))
            request = client.recv(length)
            if length == 8:  # asks for encryption
                client.sendall(b"N")
                request = client.recv(4096)
            if request:
                client.sendall(WELCOME)
            while client.recv(4096):
                pass
        except (OSError, struct.error):
            pass

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.clients:
            client.close()


@pytest.fixture
def mute() -> Iterator[Mute]:
    one = Mute()
    yield one
    one.close()


def ask(connection: Connection) -> object:
    return connection.execute(text("SELECT 1")).scalar()


@pytest.mark.parametrize("way", ["run", "single"])
def test_a_peer_that_never_answers_is_given_up(mute: Mute, way: str) -> None:
    """Once, and not again at once on a new connection: the caller has been kept for long enough."""
    clock = SystemClock()
    database = SqlDatabase(mute.url, clock, answer_s=ANSWER_S)
    began = clock.monotonic()
    with pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
        getattr(database, way)(ask)
    assert ANSWER_S <= clock.monotonic() - began < 10 * ANSWER_S
    assert len(mute.clients) == 1
    database.close()


def test_who_comes_a_moment_later_does_not_wait_again(mute: Mute) -> None:
    """A worker with many leases to renew is not held up by each: it looks after its children meanwhile."""
    clock = SystemClock()
    database = SqlDatabase(mute.url, clock, answer_s=ANSWER_S)
    with pytest.raises(Unavailable, match="no answer"):
        database.single(ask)
    began = clock.monotonic()
    for _ in range(10):
        with pytest.raises(Unavailable, match="a moment ago"):
            database.single(ask)
    assert clock.monotonic() - began < ANSWER_S
    assert len(mute.clients) == 1
    clock.sleep(0.5)
    with pytest.raises(Unavailable, match="no answer"):
        database.single(ask)
    database.close()


class NoAnswer(sqlite3.OperationalError):
    """As `store.deadline` raises it of PostgreSQL."""


def test_whether_an_unanswered_commit_happened_can_be_asked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever claims a job and hears nothing has that one question: a rest would leave it open."""
    database = SqlDatabase(f"sqlite:///{tmp_path}/x.db", SystemClock())

    def fall_silent(_: Connection) -> None:
        raise OperationalError("COMMIT", None, NoAnswer("no answer within 3 s"), connection_invalidated=True)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "commit", fall_silent)
        with pytest.raises(CommitUnknown, match="no answer"):
            database.run(ask)
    assert database.single(ask) == 1
    database.close()
