"""A real PostgreSQL for a session, from whatever the machine has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unstuck.errors import TargetError
from unstuck.worlds.port import Restart
from unstuck.worlds.process.dependencies import STARTS_MAX, port_was_taken
from unstuck.worlds.process.dependencies.postgres_cluster import Cluster
from unstuck.worlds.process.ports import LOOPBACK, free_port
from unstuck.worlds.process.world import ProcessWorld

_TEMPLATE = "unstuck_template"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running server without passwords on the loopback; the session ends it."""

    host: str
    port: int
    version: str
    data_folder: Path

    @classmethod
    def start(cls, world: ProcessWorld) -> Postgres:
        """Makes a data folder in the world's scratch and starts a server on it. Raises `TargetError`."""
        cluster = Cluster.make(world, "postgres")
        for _ in range(STARTS_MAX):
            port = free_port()
            log = cluster.folder / "postgres.log"
            try:
                world.start(
                    cluster.launch(name="postgres", port=port, log=log, restart=Restart(policy="never"))
                )
            except TargetError as error:
                if not port_was_taken(error):
                    raise
                problem = error
                continue
            postgres = cls(
                host=LOOPBACK, port=port, version=cluster.version, data_folder=cluster.folder / "data"
            )
            postgres.create_database(_TEMPLATE, template="template0")
            return postgres
        raise problem

    def url(self, database: str) -> str:
        return f"postgresql://postgres@{self.host}:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = _TEMPLATE) -> str:
        """The URL of a new database, a copy of `template`, to which nobody may be connected."""
        # Since 15 the default writes the copy to the log, block by block: right for large databases.
        how = " STRATEGY file_copy" if int(self.version.partition(".")[0]) >= 15 else ""
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{how}')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Ends its connections and removes it; one that does not exist is fine."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        try:
            import psycopg  # noqa: PLC0415  an optional dependency: the core must import without it
        except ImportError:
            raise TargetError("psycopg cannot be imported: install 'unstuck[reference]'") from None
        parameters: dict[str, Any] = {"host": self.host, "port": self.port, "user": "postgres"}
        try:
            with psycopg.connect(**parameters, dbname="postgres", autocommit=True) as connection:
                connection.execute(statement.encode())
        except psycopg.Error as error:
            raise TargetError(f"postgres: {statement}: {str(error).strip()}") from error
