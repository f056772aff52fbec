"""Statements that are compiled before a server is known are those that one would be asked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Insert

from reference_service.clock import SystemClock
from reference_service.store import SqlDatabase, database, schema
from reference_service.store.warming import statements

pytestmark = pytest.mark.process


def test_what_is_compiled_without_a_server_is_what_is_compiled_for_one(
    servers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dialect asks a server what it is, and may write some things in another way from then on."""
    monkeypatch.setattr(database, "_ready", {})
    without = database.make_ready(1).dialect
    monkeypatch.setattr(database, "_ready", {})
    one = SqlDatabase(servers.postgres().create_database("compiled"), SystemClock())
    one.run(schema.lay)
    dialect = one._own_engine().dialect
    assert without.server_version_info is None
    assert dialect.server_version_info
    for statement in statements():
        keys = statement.table.columns.keys() if isinstance(statement, Insert) else None
        texts = [str(statement.compile(dialect=each, column_keys=keys)) for each in (without, dialect)]
        assert texts[0] == texts[1]
    one.close()
