"""What an operator does to the service's database in a deploy: migrate, take back, back up, put back.

Each version of the service migrates with its own code, in a process of its own. A back-up is what pg_dump
would take: every table of one snapshot, while others go on writing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from unstuck.errors import HarnessError, TargetError
from unstuck.targets.reference.observer import INSTALL

MIGRATE_TIMEOUT_S = 120.0
MANIFEST = "manifest.json"
NEWEST = "from reference_service.store.schema import HEAD; print(HEAD)"
TAKE_BACK = """
import sys
from alembic import command
from reference_service.app import build
from reference_service.settings import read_settings
from reference_service.store.migrations import config_of
_, database = build(read_settings(), "migrate")
database.run(lambda connection: command.downgrade(config_of(connection), sys.argv[1]))
print(f"database: taken back to revision {sys.argv[1]}")
"""
TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name
"""
COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position
"""
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
ENUMS = "SELECT typname FROM pg_type WHERE typtype = 'e' ORDER BY typname"
REVISION = "SELECT version_num FROM alembic_version"
JOBS = "SELECT id, state, attempt, token, tenant, name FROM jobs"
Moved = Callable[[str, Mapping[str, Any]], None]  # (job, what its move carries)


def newest_revision(path: Path | None) -> str:
    """The newest revision that a version knows; None: this checkout. Raises `TargetError`."""
    return python(["-c", NEWEST], path, "sqlite://")


def migrate_up(url: str, path: Path | None) -> str:
    """The version's own migration, as a deploy runs it; what it said. Raises `TargetError`."""
    return python(["-m", "reference_service", "migrate"], path, url)


def take_back(url: str, path: Path | None, revision: str) -> str:
    """Down to an earlier revision, by the code of the version that knows the later ones."""
    return python(["-c", TAKE_BACK, revision], path, url)


def migrate(url: str, path: Path | None, *, down_to: str | None) -> dict[str, Any]:
    """Up to the version's newest revision, or by its code down to another. Puts our triggers on what is new.

    Raises `TargetError` when the migration fails.
    """
    before = revision_of(url)
    if down_to is None:
        wanted, said = newest_revision(path), migrate_up(url, path)
    else:
        wanted, said = down_to, take_back(url, path, down_to)
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute(INSTALL)
        enums = [row[0] for row in connection.execute(ENUMS).fetchall()]
    found = {"before": before, "revision": revision_of(url), "wanted": wanted, "said": said}
    return {**found, "enums": enums}


def revision_of(url: str) -> str | None:
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        row = connection.execute(REVISION).fetchone()
    return None if row is None else str(row[0])


def back_up(url: str, folder: Path) -> dict[str, Any]:
    """Copies every table of one snapshot into `folder`; what it holds, and how many rows read back."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, dict[str, Any]] = {}
    with psycopg.connect(_plain(url)) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for (table,) in connection.execute(TABLES).fetchall():
            columns = [row[0] for row in connection.execute(COLUMNS, (table,)).fetchall()]
            with (
                (folder / f"{table}.copy").open("wb") as file,
                connection.cursor() as cursor,
                cursor.copy(_copy(table, columns, "TO STDOUT")) as copy,
            ):
                for part in copy:
                    file.write(part)
            tables[table] = {"columns": columns, "rows": _count(connection, table)}  # of the same snapshot
        sequences: dict[str, int] = dict(connection.execute(SEQUENCES).fetchall())
        row = connection.execute(REVISION).fetchone()
    found = {"revision": row[0] if row else None, "tables": tables, "sequences": sequences}
    (folder / MANIFEST).write_text(json.dumps(found, indent=2), encoding="utf-8")
    lines = sum((folder / f"{table}.copy").read_bytes().count(b"\n") for table in tables)
    rows = sum(about["rows"] for about in tables.values())
    return {"revision": found["revision"], "tables": sorted(tables), "rows": rows, "read_back": lines}


def restore(
    url: str, folder: Path, path: Path | None, *, moved: Moved, gone: Callable[[str], None]
) -> dict[str, Any]:
    """Puts the back-up in `folder` back, with nobody running, and migrates to what the version needs.

    `moved` is told of every job as it is now, `gone` of every job that the back-up does not know. Raises
    `TargetError`, and `HarnessError` when no back-up was taken.
    """
    if not (folder / MANIFEST).is_file():
        raise HarnessError(f"{folder}: no back-up was taken in this run. Let `back_up` strike first.")
    found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    before, now = _jobs(url), revision_of(url)
    if now != found["revision"]:
        take_back(url, path, str(found["revision"]))
    read_back = _load(url, folder, found)
    said = migrate(url, path, down_to=None)["said"]
    after = _jobs(url)
    for job in sorted(before.keys() - after.keys()):
        gone(job)
    for job, row in after.items():
        was = before.get(job)
        move = {"from": was["state"] if was else None, "to": row["state"], **row}
        del move["state"], move["name"]
        moved(job, {**move, "by": "operator", "restored": True})
    return {
        "rows": sum(about["rows"] for about in found["tables"].values()),
        "read_back": read_back,
        "jobs": sorted(after),
        "gone": sorted(before.keys() - after.keys()),
        "said": said,
    }


def _load(url: str, folder: Path, found: Mapping[str, Any]) -> int:
    """Every table as it was; our own triggers see nothing of it. The rows that are there afterwards."""
    names = sorted(found["tables"])
    rows = 0
    with psycopg.connect(_plain(url)) as connection:
        connection.execute("SET session_replication_role = replica")
        all_of_them = sql.SQL(", ").join(sql.Identifier(name) for name in names)
        connection.execute(sql.SQL("TRUNCATE {}").format(all_of_them))
        for name in names:
            statement = _copy(name, found["tables"][name]["columns"], "FROM STDIN")
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write((folder / f"{name}.copy").read_bytes())
            rows += _count(connection, name)
        for name, value in found["sequences"].items():
            if value is not None:
                connection.execute("SELECT setval(%s::regclass, %s)", (name, value))
    return rows


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return 0 if row is None else int(row[0])


def _copy(table: str, columns: Sequence[str], how: str) -> sql.Composed:
    listed = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    return sql.SQL("COPY {} ({}) {}").format(sql.Identifier(table), listed, sql.SQL(how))


def _jobs(url: str) -> dict[str, dict[str, Any]]:
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        rows = connection.execute(JOBS).fetchall()
    keys = ("state", "attempt", "token", "tenant", "name")
    return {row[0]: dict(zip(keys, row[1:], strict=True)) for row in rows}


def python(words: Sequence[str], path: Path | None, url: str) -> str:
    """The last line that the version's own code says."""
    paths = str(path) if path else os.pathsep.join(one for one in sys.path if one)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("REFERENCE_")},
        "PYTHONPATH": paths,
        "REFERENCE_DATABASE_URL": url,
        "REFERENCE_SINK_URL": "http://127.0.0.1:9",
    }
    with tempfile.TemporaryDirectory(prefix="unstuck-migrate-") as folder:  # not ours: -m looks there first
        try:
            done = subprocess.run(
                [sys.executable, "-P", *words], cwd=folder, env=environment, capture_output=True, text=True,
                timeout=MIGRATE_TIMEOUT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TargetError(f"{_called(words)}: no end within {MIGRATE_TIMEOUT_S:g} s") from None
    lines = (done.stdout if done.returncode == 0 else done.stderr or done.stdout).strip().splitlines()
    last = lines[-1] if lines else ""
    if done.returncode != 0:
        raise TargetError(f"{_called(words)}: ended with {done.returncode}: {last}")
    return last


def _called(words: Sequence[str]) -> str:
    """As people know it: a file's name without its folders, and no program's text."""
    first, second = words[:2]
    return f"python {first}" if first == "-c" else f"{Path(first).name} {second}"


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
