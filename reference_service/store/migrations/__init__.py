"""Brings a database that may hold something to today's tables, one revision after the other.

Each file in `versions` is one step up and one down, and says in its own words what it creates: the tables
of `store.tables` are today's, not those of its day. It leaves in place what the version of the service
before it uses, since the two run side by side during a deploy (`schema.require`).
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from reference_service.ports import Unavailable
from reference_service.store.schema import HEAD, REVISIONS, revision_of
from reference_service.store.tables import jobs

LOCK = 7_083_211  # any number, the same in every version


def config_of(connection: Connection) -> Config:
    """For `alembic.command`, which then works on this connection and in its transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrate(connection: Connection) -> str:
    """Upgrades to `HEAD` and says in one line what that came to; all in the caller's transaction, or nothing.

    Of two at once the second waits until the first has committed, and finds nothing to do: on PostgreSQL
    by this lock, on SQLite since the transaction of a `Database` begins as its only writer.

    Raises `Unavailable` for a database that is not this version's to change.
    """
    if connection.dialect.name == "postgresql":
        # For this transaction: a large table may take longer than a request may, and so may the wait for it.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    before = revision_of(connection)
    if before == HEAD:
        return f"database: at revision {HEAD} already"
    if before is not None and before not in REVISIONS:
        raise Unavailable(
            f"database: revision={before}: newer than this version, which ends at {HEAD}; nothing was done. "
            "Migrate with the newest version that runs on it."
        )
    if before is None and inspect(connection).has_table(jobs.name):
        raise Unavailable(
            f"database: has a table {jobs.name!r} but no revision, so no migration made it; "
            "nothing was done. Name an empty database."
        )
    command.upgrade(config_of(connection), HEAD)
    return f"database: upgraded from {f'revision {before}' if before else 'nothing'} to revision {HEAD}"
