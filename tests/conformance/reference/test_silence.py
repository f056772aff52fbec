"""A PostgreSQL that stops to answer on a connection that stays up."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from sqlalchemy import text

from reference_service.clock import SystemClock
from reference_service.ports import CommitUnknown, Unavailable
from reference_service.store import SqlDatabase
from tests.conformance.reference.conftest import NUMBERS

pytestmark = pytest.mark.process
ANSWER_S = 0.5
PID = text("SELECT pg_backend_pid()")


@pytest.fixture
def url(servers: Any) -> str:
    name: str = servers.postgres().create_database(f"silence{next(NUMBERS)}")
    return name


def test_a_server_that_falls_silent_is_given_up_and_another_connection_asked(url: str) -> None:
    """Its process is held, so the kernel goes on acknowledging for it: in the next call all is well."""
    clock = SystemClock()
    database = SqlDatabase(url, clock, answer_s=ANSWER_S)
    pid = int(database.single(lambda connection: connection.execute(PID).scalar_one()))
    os.kill(pid, signal.SIGSTOP)
    try:
        began = clock.monotonic()
        with pytest.raises(Unavailable, match="no answer"):
            database.run(lambda connection: connection.execute(PID).scalar_one())
        assert clock.monotonic() - began < 5
        clock.sleep(0.5)
        other = database.run(lambda connection: connection.execute(PID).scalar_one())
        assert other != pid
    finally:
        os.kill(pid, signal.SIGCONT)
        database.close()


def test_silence_while_it_commits_leaves_the_question_open(url: str) -> None:
    """It was told to, and nobody knows whether it did."""
    database = SqlDatabase(url, SystemClock(), answer_s=ANSWER_S)
    held: list[int] = []

    def work(connection: Any) -> None:
        held.append(int(connection.execute(PID).scalar_one()))
        os.kill(held[0], signal.SIGSTOP)

    try:
        with pytest.raises(CommitUnknown, match="no answer"):
            database.run(work)
    finally:
        os.kill(held[0], signal.SIGCONT)
        database.close()


def test_a_statement_that_takes_long_is_ended_by_a_server_that_works(url: str) -> None:
    """It is first, so the connection is kept."""
    database = SqlDatabase(url, SystemClock(), answer_s=2.0)
    pid = database.single(lambda connection: connection.execute(PID).scalar_one())
    with pytest.raises(Unavailable, match="statement timeout"):
        database.single(lambda connection: connection.execute(text("SELECT pg_sleep(10)")))
    assert database.single(lambda connection: connection.execute(PID).scalar_one()) == pid
    database.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_pause_of_our_own_is_no_silence_of_the_server(url: str) -> None:
    """What came in the meantime is read, however late that is."""
    database = SqlDatabase(url, SystemClock(), answer_s=ANSWER_S)
    ready, answer = os.pipe()

    def paused() -> None:
        code = 1
        try:
            os.write(answer, b"!")
            slow = text("SELECT 7 FROM pg_sleep(0.2)")
            found = database.single(lambda connection: connection.execute(slow).scalar_one())
            code = 0 if found == 7 else 1
        finally:
            os._exit(code)

    database.single(lambda connection: connection.execute(PID).scalar_one())
    child = os.fork()
    if child == 0:
        paused()
    os.read(ready, 1)
    SystemClock().sleep(0.1)
    os.kill(child, signal.SIGSTOP)
    SystemClock().sleep(3 * ANSWER_S)
    os.kill(child, signal.SIGCONT)
    assert os.waitpid(child, 0)[1] == 0
    for fd in (ready, answer):
        os.close(fd)
    database.close()
