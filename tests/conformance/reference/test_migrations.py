"""The schema: migrated, laid at once, recognised by a role that starts; on SQLite and on PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

from reference_service.__main__ import main
from reference_service.clock import SystemClock
from reference_service.ports import Unavailable
from reference_service.store import SqlDatabase, schema
from reference_service.store import migrations as migrations_package
from reference_service.store.migrations import config_of, migrate
from reference_service.store.tables import metadata
from tests.conformance.reference.conftest import NUMBERS
from tests.tooling.repository import ROOT

pytestmark = pytest.mark.process
WITHIN_S = 20.0
NEWER = "UPDATE alembic_version SET version_num = '9999'"
CATALOGUE = """
    SELECT table_name, column_name, ordinal_position, data_type, character_maximum_length, is_nullable,
           column_default
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT tablename, indexname, 0, indexdef, 0, '', '' FROM pg_indexes WHERE schemaname = 'public'
    ORDER BY 1, 2
"""

Url = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Url:
    """The address of a database that is there, and empty."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{next(NUMBERS)}.db"
    postgres = request.getfixturevalue("servers").postgres()
    return lambda: str(postgres.create_database(f"schema{next(NUMBERS)}"))


@pytest.fixture
def open_() -> Iterator[Callable[[str], SqlDatabase]]:
    opened: list[SqlDatabase] = []

    def open_one(url: str) -> SqlDatabase:
        opened.append(SqlDatabase(url, SystemClock()))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def empty(new_url: Url, open_: Callable[[str], SqlDatabase]) -> SqlDatabase:
    return open_(new_url())


def execute(database: SqlDatabase, statement: str) -> list[Any]:
    def work(connection: Connection) -> list[Any]:
        found = connection.execute(text(statement))
        return list(found.all()) if found.returns_rows else []

    return database.run(work)


def catalogue(database: SqlDatabase) -> list[Any]:
    """All that the database itself says of its schema."""
    if database.dialect == "postgresql":
        return execute(database, CATALOGUE)
    rows = execute(database, "SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
    return [(kind, name, " ".join((sql or "").split())) for kind, name, sql in rows]


def downgrade(database: SqlDatabase, revision: str | None) -> None:
    database.run(lambda connection: command.downgrade(config_of(connection), revision or "base"))


def test_migrations_come_to_the_tables_of_the_code(empty: SqlDatabase) -> None:
    """Alembic, comparing the migrated database with `store.tables`, finds nothing to add."""
    empty.run(migrate)
    empty.run(lambda connection: command.check(config_of(connection)))  # raises when there is a difference


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE jobs ADD COLUMN extra INTEGER",
        "ALTER TABLE jobs DROP COLUMN reason",
        "DROP INDEX outbox_by_job",
        "DROP TABLE discards",
    ],
)
def test_the_comparison_sees_a_difference(change: str, empty: SqlDatabase) -> None:
    """A schema that is not that of the code does not pass it."""
    empty.run(migrate)
    execute(empty, change)
    with pytest.raises(Exception, match="New upgrade operations detected"):
        empty.run(lambda connection: command.check(config_of(connection)))


def test_laid_at_once_is_the_same_as_migrated(new_url: Url, open_: Callable[[str], SqlDatabase]) -> None:
    """Columns, types, defaults, keys and indexes, as the database lists them; and the revision."""
    laid, migrated = open_(new_url()), open_(new_url())
    laid.run(schema.lay)
    migrated.run(migrate)
    assert catalogue(laid) == catalogue(migrated)
    assert len(catalogue(laid)) > len(metadata.tables)
    assert laid.run(schema.require) == migrated.run(schema.require) == schema.HEAD


def test_every_step_down_and_up_again(empty: SqlDatabase) -> None:
    """Down to nothing, with no table left behind, and up to the same schema."""
    empty.run(migrate)
    before = catalogue(empty)
    stations: tuple[str | None, ...] = (None, *schema.REVISIONS[:-1])
    for revision in reversed(stations):
        downgrade(empty, revision)
        assert empty.run(schema.revision_of) == revision
    left = {row[1] if empty.dialect == "sqlite" else row[0] for row in catalogue(empty)}
    assert not [name for name in left if "alembic" not in name]
    assert empty.run(migrate) == f"database: upgraded from nothing to revision {schema.HEAD}"
    assert catalogue(empty) == before


def test_the_way_back_leaves_no_word_that_is_unknown_there(empty: SqlDatabase) -> None:
    """The first release fails on a reason that it does not know, for all jobs of the tenant."""
    empty.run(migrate)
    for reason in ("disk_exceeded", "timed_out"):
        execute(
            empty,
            "INSERT INTO attempts (job, attempt, token, instance, boot_id, pid, started_at, reason) "
            f"VALUES ('j-{reason}', 1, 1, 'i', 'b', 1, 0, '{reason}')",
        )
    downgrade(empty, "0001")
    assert execute(empty, "SELECT reason FROM attempts ORDER BY job") == [("crashed",), ("timed_out",)]


def test_migrating_again_does_nothing(empty: SqlDatabase) -> None:
    """It says so, in one line as before, and what is in the tables stays."""
    assert empty.run(migrate) == f"database: upgraded from nothing to revision {schema.HEAD}"
    execute(empty, "INSERT INTO outbox (job, body, created_at) VALUES ('j-1', '{}', 0)")
    assert empty.run(migrate) == f"database: at revision {schema.HEAD} already"
    assert len(execute(empty, "SELECT * FROM outbox")) == 1


def test_of_two_that_migrate_at_once_one_does(new_url: Url, open_: Callable[[str], SqlDatabase]) -> None:
    """The second begins while the first has made all and not committed: it waits, then does nothing."""
    url = new_url()
    one, other = open_(url), open_(url)
    upgraded, may_commit = threading.Event(), threading.Event()

    def first(connection: Connection) -> str:
        said = migrate(connection)
        upgraded.set()
        assert may_commit.wait(WITHIN_S)
        return said

    with ThreadPoolExecutor(2) as pool:
        leading = pool.submit(one.run, first)
        try:
            assert upgraded.wait(WITHIN_S)
            following = pool.submit(other.run, migrate)
            until_waiting(url, open_, following.done)
            assert not following.done()
        finally:
            may_commit.set()
        assert leading.result(WITHIN_S).startswith("database: upgraded")
        assert following.result(WITHIN_S) == f"database: at revision {schema.HEAD} already"


def until_waiting(url: str, open_: Callable[[str], SqlDatabase], done: Callable[[], bool]) -> None:
    """Until PostgreSQL says that one waits for another's advisory lock; SQLite says nothing of that kind."""
    if url.startswith("sqlite"):
        return
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    witness, clock = open_(url), SystemClock()
    give_up_at = clock.monotonic() + WITHIN_S
    while execute(witness, waits) == [(0,)] and not done():
        assert clock.monotonic() < give_up_at, "the second did not wait for the first"


def test_many_that_start_at_once_all_come_to_the_schema(
    new_url: Url, open_: Callable[[str], SqlDatabase]
) -> None:
    """As the containers of one deploy do: exactly one upgrades."""
    url = new_url()
    several = [open_(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda one: one.run(migrate), several))
    assert sorted(line.split()[1] for line in said) == ["at", "at", "at", "upgraded"]


def test_a_migration_that_fails_leaves_nothing(empty: SqlDatabase) -> None:
    """Half a schema would be worse than none."""

    def fail_at_the_end(connection: Connection) -> None:
        migrate(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        empty.run(fail_at_the_end)
    assert catalogue(empty) == []


def test_a_newer_database_is_not_touched(empty: SqlDatabase) -> None:
    """One line names its revision and ours; a role takes it for good, since its own deploy may be rolling."""
    empty.run(migrate)
    execute(empty, NEWER)
    with pytest.raises(Unavailable, match=rf"revision=9999: newer .* ends at {schema.HEAD}"):
        empty.run(migrate)
    assert empty.run(schema.require) == "9999"


def test_tables_that_no_migration_made_are_not_touched(empty: SqlDatabase) -> None:
    """One line, and nothing is done."""
    execute(empty, "CREATE TABLE jobs (id INTEGER)")
    before = catalogue(empty)
    with pytest.raises(Unavailable, match="has a table 'jobs' but no revision"):
        empty.run(migrate)
    assert catalogue(empty) == before


def test_a_role_asks_for_the_migration_that_is_missing(empty: SqlDatabase) -> None:
    """On an empty database and on one that was taken down to its base."""
    missing = f"revision=none: this version needs {schema.HEAD}. Run `python -m reference_service migrate`."
    with pytest.raises(Unavailable, match=missing):
        empty.run(schema.require)
    empty.run(migrate)
    downgrade(empty, None)
    with pytest.raises(Unavailable, match=missing):
        empty.run(schema.require)


def test_a_revision_in_between_is_behind(empty: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role of a version with one migration more does not start."""
    empty.run(migrate)
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "8888"))
    monkeypatch.setattr(schema, "HEAD", "8888")
    with pytest.raises(Unavailable, match="this version needs 8888"):
        empty.run(schema.require)


def test_the_revisions_of_the_code_are_those_of_the_files(empty: SqlDatabase) -> None:
    """In their order, without a branch."""
    files = empty.run(lambda connection: ScriptDirectory.from_config(config_of(connection)))
    assert tuple(one.revision for one in reversed(list(files.walk_revisions()))) == schema.REVISIONS


def test_the_command_says_what_it_did(
    new_url: Url, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line each time: exit code 0 for done and for nothing to do, 1 when it cannot."""
    url = new_url()
    monkeypatch.setenv("REFERENCE_DATABASE_URL", url)
    monkeypatch.setenv("REFERENCE_SINK_URL", "http://127.0.0.1:9")
    assert main(["relay"]) == 1
    said = capfd.readouterr()
    assert said.err.startswith(
        f"relay: REFERENCE_DATABASE_URL={url!r}: no such file"
        if "sqlite" in url
        else "relay: database: revision=none"
    )
    assert said.err.count("\n") == 1
    assert main(["migrate"]) == 0
    assert capfd.readouterr().out == f"database: upgraded from nothing to revision {schema.HEAD}\n"
    assert main(["migrate"]) == 0
    assert capfd.readouterr().out == f"database: at revision {schema.HEAD} already\n"
    database = SqlDatabase(url, SystemClock())
    execute(database, NEWER)
    database.close()
    assert main(["migrate"]) == 1
    said = capfd.readouterr()
    assert said.err.startswith("migrate: database: revision=9999: newer")
    assert said.err.count("\n") == 1


def test_no_role_loads_what_migrations_need() -> None:
    """Nor does the process that roles are forked from: Alembic costs more than a role's whole start."""
    code = "import sys, reference_service.preload; print([one for one in sys.modules if 'alembic' in one])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_wheel_has_the_migrations(tmp_path: Path) -> None:
    """All of them: they are read as files, and no import would miss one."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    [wheel] = tmp_path.glob("*.whl")
    folder = Path(migrations_package.__file__).parent
    files = {path.relative_to(ROOT).as_posix() for path in folder.rglob("*.py")}
    assert len(files) >= 3 + len(schema.REVISIONS)
    with zipfile.ZipFile(wheel) as packed:
        assert files <= set(packed.namelist())
