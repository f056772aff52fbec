"""What every test of the service's rules leaves behind: no open database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reference_service.store import SqlDatabase


@pytest.fixture(autouse=True)
def close_databases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Worlds in memory are made all over these tests; from Python 3.13 on an open one is a warning."""
    opened: list[SqlDatabase] = []
    initialise = SqlDatabase.__init__

    def remember(self: SqlDatabase, *arguments: Any, **named: Any) -> None:
        initialise(self, *arguments, **named)
        opened.append(self)

    monkeypatch.setattr(SqlDatabase, "__init__", remember)
    yield
    for database in opened:
        database.close()
