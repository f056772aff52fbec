"""Which schema a database has: asked when a role starts, and laid at once in one that is empty.

`store.migrations` changes a database that may hold something. What that imports takes longer than a role
takes to start, so nothing here knows of it.
"""

from __future__ import annotations

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, insert, select, text
from sqlalchemy.engine import Connection

from reference_service.ports import Unavailable
from reference_service.store.tables import metadata

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""Those of `migrations/versions`, the oldest first."""

HEAD = REVISIONS[-1]
"""The revision of the tables as `store.tables` has them."""

VERSIONS = Table(
    "alembic_version",  # its name and shape are Alembic's
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
CURRENT = select(VERSIONS.c.version_num)
# Asked at each start of a role: SQLAlchemy's own question costs more than all the rest of it.
IS_THERE = {
    "postgresql": text("SELECT to_regclass('alembic_version') IS NOT NULL"),
    "sqlite": text("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"),
}


def lay(connection: Connection) -> None:
    """Today's tables in an empty database, marked as what all migrations together come to.

    For databases that live as long as a test or a run; tests hold the two ways to the same schema.
    """
    metadata.create_all(connection, checkfirst=False)
    VERSIONS.create(connection, checkfirst=False)
    connection.execute(insert(VERSIONS), {"version_num": HEAD})


def revision_of(connection: Connection) -> str | None:
    """The last migration that the database has had; None: none yet."""
    if not connection.execute(IS_THERE[connection.dialect.name]).scalar():
        return None
    return connection.execute(CURRENT).scalar()


def require(connection: Connection) -> str:
    """As `sufficient`, of this database."""
    return sufficient(revision_of(connection))


def sufficient(revision: str | None) -> str:
    """The revision, if a database at it has all that this version of the service needs.

    One that this version does not know comes from a newer one, and is taken for good: 1. a deploy
    migrates, 2. a process of the version before dies, 3. its supervisor starts it again, and it has to
    work. Therefore a migration leaves in place what the version before it uses.

    Raises `Unavailable` when a migration is missing.
    """
    if revision is None or revision in REVISIONS[:-1]:
        raise Unavailable(
            f"database: revision={revision or 'none'}: this version needs {HEAD}. "
            "Run `python -m reference_service migrate`."
        )
    return revision
