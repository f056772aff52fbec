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
        """Another row like the first job's, which carries the word, as the other version might leave it."""
        with closing(sqlite3.connect(self.path)) as connection:
            row = connection.execute("SELECT * FROM jobs ORDER BY created_at LIMIT 1")
            names = [one[0] for one in row.description]
            found = row.fetchone()
            if found is None:
                raise TargetError(f"{self.path}: no job is there to be copied")
            values = dict(zip(names, found, strict=True))
            state = {"state": "failed"} if column == "reason" else {}
            values |= {"id": f"j-{column}-{word}", "name": f"{column}={word}", **state, column: word}
            marks = ", ".join("?" for _ in values)
            connection.execute(
                f"INSERT INTO jobs ({', '.join(values)}) VALUES ({marks})",  # noqa: S608  the table's own names
                list(values.values()),
            )
            connection.commit()


def open_jobs(states: Mapping[str, str]) -> list[str]:
    """Those that have not ended."""
    return sorted(name for name, state in states.items() if state not in TERMINAL)
