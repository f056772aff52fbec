"""A deploy on one SQLite file: each version plays its acts on it in turn, with its own code."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from unstuck.errors import TargetError
from unstuck.targets.reference import upgrade

LIFE = Path(__file__).absolute().with_name("sqlite_life.py")
TERMINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})


class SqliteFile:
    """One database file, and beside it what is not in it: objects, time, and what the sink has heard."""

    def __init__(self, folder: Path) -> None:
        folder = folder.absolute()  # each version runs in a folder of its own
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "service.db"
        self._store = folder / "outside.json"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def migrate(self, version: Path | None) -> str:
        """Up, by the version's own code. Raises `TargetError`."""
        return upgrade.migrate_up(self.url, version)

    def take_back(self, version: Path | None, revision: str) -> str:
        return upgrade.take_back(self.url, version, revision)

    def play(self, act: str, version: Path | None) -> Mapping[str, Any]:
        """See `sqlite_life`. Raises `TargetError` with the last line that the version said."""
        words = [str(LIFE), act, str(self.path), str(self._store)]
        found: Mapping[str, Any] = json.loads(upgrade.python(words, version, self.url))
        return found

    def back_up(self, path: Path) -> int:
        """A copy of the whole file, taken while it may be in use; how many bytes."""
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
        return path.stat().st_size

    def restore(self, path: Path) -> None:
        """With nobody at it; what is beside the file stays as it is."""
        shutil.copyfile(path, self.path)

    def plant(self, column: str, word: str) -> None:
        """Another job like the first one, with its attempt, which carries the word as the other version might
        leave it.
        """
        job = f"j-{column}-{word.replace('_', '-')}"
        state = {"state": "failed"} if column == "reason" else {}
        with closing(sqlite3.connect(self.path)) as connection:
            first = _copy(
                connection,
                "jobs WHERE id = (SELECT id FROM jobs ORDER BY created_at LIMIT 1)",
                {"id": job, "name": f"{column}={word}", **state, column: word},
            )
            if first is None:
                raise TargetError(f"{self.path}: no job is there to be copied")
            if column == "reason":
                marked = {"job": job, "outcome": "failed", "reason": word}
                _copy(connection, "attempts WHERE job = ? LIMIT 1", marked, first["id"])
            connection.commit()

    def give_instead(self, older: Mapping[str, str]) -> list[str]:
        """Each reason replaced by one that both versions know; the statements, which any database takes."""
        statements = [
            f"UPDATE {table} SET reason = '{old}' WHERE reason = '{new}'"  # noqa: S608  the version's own words
            for new, old in older.items()
            for table in ("jobs", "attempts")
        ]
        with closing(sqlite3.connect(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return statements


def _copy(
    connection: sqlite3.Connection, which: str, other: Mapping[str, str], *given: str
) -> Mapping[str, Any] | None:
    """Inserts a row like the one that `which` (table and condition) names, but for `other`; that one."""
    row = connection.execute(f"SELECT * FROM {which}", given)  # noqa: S608  our own words
    names = [one[0] for one in row.description]
    found = row.fetchone()
    if found is None:
        return None
    values = dict(zip(names, found, strict=True))
    copied = {**values, **other}
    marks = ", ".join("?" for _ in copied)
    table = which.partition(" ")[0]
    connection.execute(
        f"INSERT INTO {table} ({', '.join(copied)}) VALUES ({marks})",  # noqa: S608  the table's own names
        list(copied.values()),
    )
    return values


def open_jobs(states: Mapping[str, str]) -> list[str]:
    """Those that have not ended."""
    return sorted(name for name, state in states.items() if state not in TERMINAL)
