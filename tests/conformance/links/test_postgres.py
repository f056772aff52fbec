"""A real PostgreSQL behind a link: drivers notice nothing, and rules strike at named statements."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

import psycopg
import pytest
import sqlalchemy as sa

from tests.conformance.links.conftest import OpenLink
from unstuck.errors import UsageError
from unstuck.links.rules import DOWN, Answer, Cut, Delay, Drop, Error, Hold
from unstuck.worlds.process.session import Session

pytestmark = pytest.mark.process
Open = Callable[[int, str], OpenLink]


@pytest.fixture(scope="module")
def database(session: Session) -> str:
    """The name of a database with a table of jobs."""
    postgres = session.postgres()
    postgres.create_database("links")
    with psycopg.connect(postgres.url("links")) as connection:
        connection.execute("CREATE TABLE jobs (id text PRIMARY KEY, state text, size int, data bytea)")
    return "links"


@pytest.fixture
def link(open_link: Open, session: Session, database: str) -> OpenLink:
    with psycopg.connect(session.postgres().url(database)) as connection:
        connection.execute("TRUNCATE jobs")
    return open_link(session.postgres().port, "postgres")


def connect(link: OpenLink, **options: object) -> psycopg.Connection:
    return psycopg.connect(
        f"postgresql://postgres@{link.host}:{link.port}/links",
        connect_timeout=10,
        **options,  # type: ignore[arg-type]  # passed on as given
    )


def states(session: Session) -> dict[str, str]:
    """What the database says, asked directly."""
    with psycopg.connect(session.postgres().url("links")) as connection:
        return dict(connection.execute("SELECT id, state FROM jobs").fetchall())


class Failing:
    """Calls something in a thread, and keeps the error that it ends with."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call()
        except psycopg.Error as error:
            self._error = error

    def error(self) -> Exception | None:
        self._thread.join(10)
        return self._error


def hang_up(connection: psycopg.Connection) -> None:
    """Ends the connection under its driver, as the end of its process would."""
    with socket.socket(fileno=os.dup(connection.fileno())) as sock:
        sock.shutdown(socket.SHUT_RDWR)


def test_each_statement_is_one_message(link: OpenLink) -> None:
    """Also when the driver prepares it after some executions; preparing is not counted as executing."""
    with connect(link) as connection:
        for number in range(10):
            connection.execute("INSERT INTO jobs VALUES (%s, 'queued')", [f"j-{number}"])
            connection.commit()
    counts = link.counts()
    assert counts["INSERT jobs"] == 10
    assert counts["BEGIN"] == counts["COMMIT"] == 10
    assert counts["PREPARE INSERT jobs"] == 1
    assert link.events("unframed") == []


def test_pipelines_large_values_copy_and_errors_pass(link: OpenLink) -> None:
    """What comes back is what was written, and the session stays framed."""
    blob = bytes(range(256)) * 20_000
    with connect(link, autocommit=True) as connection:
        with connection.pipeline():
            for number in range(50):
                connection.execute("INSERT INTO jobs (id, size) VALUES (%s, %s)", [str(number), number])
        connection.execute("UPDATE jobs SET data = %b WHERE id = '7'", [blob])
        assert connection.execute("SELECT data FROM jobs WHERE id = '7'", binary=True).fetchone() == (blob,)
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO jobs (id) VALUES ('1')")
        with connection.cursor().copy("COPY jobs (id, state) FROM STDIN") as copy:
            for number in range(5000):
                copy.write_row((f"c-{number}", "queued"))
        with connection.cursor().copy("COPY jobs (id) TO STDOUT") as copy:
            assert sum(1 for _ in copy.rows()) == 5050
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (5050,)
    assert link.events("unframed") == []
    assert link.counts()["COPY jobs"] == 2


def test_sqlalchemy_works_through_a_link(link: OpenLink) -> None:
    """Pool, transactions and server-side defaults."""
    engine = sa.create_engine(f"postgresql+psycopg://postgres@{link.host}:{link.port}/links")
    jobs = sa.table("jobs", sa.column("id"), sa.column("state"))
    with engine.begin() as connection:
        connection.execute(sa.insert(jobs), [{"id": f"j-{n}", "state": "queued"} for n in range(20)])
    with engine.begin() as connection:
        moved = connection.execute(sa.update(jobs).where(jobs.c.id == "j-3").values(state="active"))
        assert moved.rowcount == 1
        assert connection.execute(sa.select(sa.func.count()).select_from(jobs)).scalar() == 20
    engine.dispose()
    assert link.counts()["UPDATE jobs"] == 1


def test_notifications_reach_a_listener(link: OpenLink) -> None:
    """Messages that answer no request pass."""
    with connect(link, autocommit=True) as listener, connect(link, autocommit=True) as sender:
        listener.execute("LISTEN events")
        sender.execute("NOTIFY events, 'j-1'")
        assert [note.payload for note in listener.notifies(timeout=10, stop_after=1)] == ["j-1"]


def test_a_cancel_request_passes(link: OpenLink) -> None:
    """On its own connection, which stops the statement on the other."""
    link.links.report_all(link.name)
    with connect(link, autocommit=True) as connection:

        def cancel() -> None:
            link.wait("seen", label="SELECT", on="request")
            connection.cancel_safe(timeout=10)

        helper = threading.Thread(target=cancel)
        helper.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(30)")
        helper.join()


def test_cut_before_commit_loses_the_transaction(link: OpenLink, session: Session) -> None:
    """The COMMIT never went on: nothing is in the database, and the client got an error."""
    rule = link.rule(Cut(), label="COMMIT")
    connection = connect(link)
    connection.execute("INSERT INTO jobs VALUES ('j-1', 'queued')")
    with pytest.raises(psycopg.OperationalError):
        connection.commit()
    assert link.wait("done", rule=rule).outcome == "cut"
    assert states(session) == {}


def test_cut_instead_of_the_reply_of_commit_keeps_the_transaction(link: OpenLink, session: Session) -> None:
    """The same error for the client, and yet the row is there."""
    rule = link.rule(Cut(), label="COMMIT", on="reply")
    connection = connect(link)
    connection.execute("INSERT INTO jobs VALUES ('j-1', 'queued')")
    with pytest.raises(psycopg.OperationalError):
        connection.commit()
    assert link.wait("matched", rule=rule).facts["tag"] == "COMMIT"
    assert states(session) == {"j-1": "queued"}


def test_contains_finds_parameters(link: OpenLink, session: Session) -> None:
    """The update of one job is hit, others of the same label pass."""
    rule = link.rule(Error(code="40001"), label="UPDATE jobs", contains="j-2")
    with connect(link, autocommit=True) as connection:
        for job in ("j-1", "j-2", "j-3"):
            connection.execute("INSERT INTO jobs VALUES (%s, 'queued')", [job])
        connection.execute("UPDATE jobs SET state = 'active' WHERE id = %s", ["j-1"])
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.execute("UPDATE jobs SET state = 'active' WHERE id = %s", ["j-2"])
        connection.execute("UPDATE jobs SET state = 'active' WHERE id = %s", ["j-3"])
    assert link.wait("done", rule=rule).outcome == "error"
    assert states(session) == {"j-1": "active", "j-2": "queued", "j-3": "active"}


def test_an_injected_error_fails_the_transaction(link: OpenLink, session: Session) -> None:
    """The client sees a failed transaction, rolls back, and the server does too."""
    link.rule(Error(code="40001"), label="COMMIT")
    with connect(link) as connection:
        connection.execute("INSERT INTO jobs VALUES ('j-1', 'queued')")
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.commit()
        connection.rollback()
        connection.execute("INSERT INTO jobs VALUES ('j-2', 'queued')")
    assert states(session) == {"j-2": "queued"}


def test_a_session_can_be_refused(link: OpenLink) -> None:
    """An error on STARTUP is what a server says that is starting up or shutting down."""
    link.rule(Error(code="57P03", message="the database system is starting up"), label="STARTUP")
    with pytest.raises(psycopg.OperationalError, match="starting up"):
        connect(link)
    with connect(link) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_held_commit_lands_after_its_client_is_gone(link: OpenLink, session: Session) -> None:
    """The worst case of fencing: a dead worker's write that arrives late."""
    rule = link.rule(Hold(), label="COMMIT")
    connection = connect(link)
    connection.execute("INSERT INTO jobs VALUES ('j-1', 'queued')")
    committing = Failing(connection.commit)
    link.wait("held", rule=rule)
    hang_up(connection)
    assert isinstance(committing.error(), psycopg.OperationalError)
    assert states(session) == {}
    link.links.report_all(link.name)
    link.links.release(rule)
    link.wait("seen", on="reply", label="COMMIT")
    assert states(session) == {"j-1": "queued"}


def test_a_late_statement_works(link: OpenLink) -> None:
    """It goes on when the delay is over, not before."""
    rule = link.rule(Delay(delay_s=0.1), label="INSERT jobs")
    with connect(link, autocommit=True) as connection:
        connection.execute("INSERT INTO jobs VALUES ('j-1', 'queued')")
    matched, done = link.wait("matched", rule=rule), link.wait("done", rule=rule)
    assert done.at_ns - matched.at_ns >= 100_000_000


def test_a_reply_that_never_comes_leaves_its_work_done(link: OpenLink, session: Session) -> None:
    """The client waits; when the link goes down it gets an error for what was committed."""
    rule = link.rule(Drop(), label="INSERT jobs", on="reply")
    connection = connect(link, autocommit=True)
    inserting = Failing(lambda: connection.execute("INSERT INTO jobs VALUES ('j-1', 'queued')"))
    link.wait("done", rule=rule)
    assert states(session) == {"j-1": "queued"}
    link.links.set_state(link.name, DOWN)
    assert isinstance(inserting.error(), psycopg.OperationalError)


def test_an_answer_to_sql_is_refused(link: OpenLink) -> None:
    """Nobody can invent a plausible reply to any SQL."""
    with pytest.raises(UsageError, match="speaks postgres"):
        link.rule(Answer())
