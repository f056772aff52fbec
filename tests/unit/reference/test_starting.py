"""A role that starts while the database is away waits for it, for a while."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from reference_service import app
from reference_service.fakes import memory_world
from reference_service.ports import Unavailable
from reference_service.store import SqlDatabase, schema


class Away:
    """A database server that refuses so many calls."""

    def __init__(self, times: float, file: Path | None = None, revision: str = schema.HEAD) -> None:
        self.times = times
        self.revision = revision
        self.file = file
        self.calls = 0

    def single(self, work: Any) -> str:
        del work
        self.calls += 1
        if self.calls <= self.times:
            raise Unavailable("database: connection refused")
        return self.revision


def test_a_start_waits_for_the_database() -> None:
    """It goes on as soon as it answers."""
    world, database = memory_world(), Away(3)
    app._await_schema(world.service, cast("SqlDatabase", database))
    assert database.calls == 4


def test_a_start_does_not_wait_for_ever() -> None:
    """Then the process ends, and says why: its supervisor starts it again."""
    world, database = memory_world(), Away(float("inf"))
    began = world.clock.monotonic()
    with pytest.raises(Unavailable, match="connection refused"):
        app._await_schema(world.service, cast("SqlDatabase", database))
    assert 0 < world.clock.monotonic() - began <= app.START_PATIENCE_S


def test_who_is_told_to_stop_stops_waiting() -> None:
    """After one more try at most."""
    world, database = memory_world(), Away(float("inf"))
    with pytest.raises(Unavailable, match="told to stop"):
        app._await_schema(world.service, cast("SqlDatabase", database), lambda: True)
    assert database.calls == 1


def test_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """It is there, or somebody mistyped its name."""
    world, database = memory_world(), Away(float("inf"), file=tmp_path / "mistyped.db")
    with pytest.raises(Unavailable, match="no such file"):
        app._await_schema(world.service, cast("SqlDatabase", database))
    assert database.calls == 0


def test_a_database_without_a_migration_is_not_waited_for() -> None:
    """It answers; what it lacks does not come by itself."""
    world, database = memory_world(), Away(0, revision="0001")
    with pytest.raises(Unavailable, match="revision=0001"):
        app._await_schema(world.service, cast("SqlDatabase", database))
    assert database.calls == 1
