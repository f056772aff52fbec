"""PostgreSQL: a server for each run, on a copy of files that the session makes once."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from unstuck.errors import TargetError
from unstuck.targets.dependencies.port import (
    Contained,
    Framer,
    Ground,
    NotInstalled,
    Option,
    Prepared,
    Wanted,
)
from unstuck.targets.dependencies.starting import start_on_free_port
from unstuck.targets.dependencies.surroundings import refuse_settings, surroundings
from unstuck.worlds.port import Restart
from unstuck.worlds.process.dependencies import folder_of, postgres_cluster
from unstuck.worlds.process.dependencies.postgres_cluster import Cluster
from unstuck.worlds.process.ports import LOOPBACK
from unstuck.worlds.process.session import Session
from unstuck.worlds.process.wire import Launch
from unstuck.worlds.process.world import ProcessWorld

KIND = "postgres"
FRAMER: Framer = "postgres"
VALUES = ("database", "user", "password")
INSTALL = postgres_cluster.INSTALL
OPTIONS = {
    "database": Option(shape="text", means="the name of its database (`app`)"),
    "init": Option(shape="texts", means="a file of SQL, or several, run once; each run gets a copy"),
    "settings": Option(shape="settings", means="any of its own settings, by name"),
}
USER = "postgres"  # who may do everything, and needs no password

IMAGE = "postgres:17-alpine"

_CLUSTER = "postgres-files"
_INIT_WITHIN_S = 120.0
_OURS = frozenset({"listen_addresses", "port", "unix_socket_directories", "data_directory", "config_file"})

_SETTINGS = {"min_wal_size": "32MB", "max_wal_size": "128MB"}  # its files may lie in memory


def prepare(wanted: Wanted, ground: Ground) -> Prepared:
    """Copies the files, made once for each database and SQL. Raises `TargetError`."""
    database, scripts, settings = _chosen(wanted)
    try:
        postgres_cluster.find_binaries()
    except TargetError as error:
        raise NotInstalled(str(error)) from None
    template = _template(ground.session, database, scripts)
    cluster = template.copy(ground.world.quick, ground.data)

    def launch(port: int) -> Launch:
        return cluster.launch(
            name=wanted.name, port=port, log=ground.log, restart=Restart(), settings=settings
        )

    return Prepared(launch=launch, url=_url_of(database), values=_values(database))


def contained(wanted: Wanted, ground: Ground) -> Contained:  # noqa: ARG001  every kind's
    """The official image, or one that is like it; it makes its files anew in each run."""
    database, scripts, settings = _chosen(wanted)
    _read(scripts)
    all_settings = {**postgres_cluster.SETTINGS, **settings}

    def command(port: int) -> list[str]:
        chosen = {**all_settings, "port": str(port)}
        return ["postgres", *(part for key, value in chosen.items() for part in ("-c", f"{key}={value}"))]

    return Contained(
        image=wanted.options.get("image", IMAGE),
        inside="/var/lib/postgresql/data",
        command=command,
        environment=lambda _: {
            "POSTGRES_DB": database,
            "POSTGRES_USER": USER,
            "POSTGRES_HOST_AUTH_METHOD": "trust",
            "PGDATA": "/var/lib/postgresql/data/files",
        },
        url=_url_of(database),
        values=_values(database),
        # While it makes its files it serves its own scripts, on no port, and says that it is ready, too.
        ready=lambda _: [
            f'listening on IPv4 address "{LOOPBACK}"',
            "database system is ready to accept connections",
        ],
        ready_timeout_s=_INIT_WITHIN_S,
        read_only={
            f"/docker-entrypoint-initdb.d/{number:03}.sql": str(script)
            for number, script in enumerate(scripts)
        },
    )


def _chosen(wanted: Wanted) -> tuple[str, list[Path], dict[str, str]]:
    """Database, scripts, settings."""
    init = wanted.options.get("init", ())
    scripts = [Path(one).absolute() for one in ([init] if isinstance(init, str) else init)]
    settings = {name: str(value) for name, value in wanted.options.get("settings", {}).items()}
    refuse_settings(settings, _OURS)
    return str(wanted.options.get("database", "app")), scripts, _SETTINGS | settings


def _url_of(database: str) -> Callable[[str, int], str]:
    def url(host: str, port: int) -> str:
        return f"postgresql://{USER}@{host}:{port}/{database}"

    return url


def _values(database: str) -> dict[str, str]:
    """Nobody is asked for a password, but some clients insist on sending one."""
    return {"database": database, "user": USER, "password": USER}


def _read(scripts: Sequence[Path]) -> list[bytes]:
    read = []
    for script in scripts:
        try:
            read.append(script.read_bytes())
        except OSError as error:
            raise TargetError(f"init={str(script)!r} cannot be read: {error.strerror}") from None
    return read


def _template(session: Session, database: str, scripts: Sequence[Path]) -> Cluster:
    """The files with this database, after these scripts, in their order."""
    whole = hashlib.sha256(database.encode())
    for script, text in zip(scripts, _read(scripts), strict=True):
        whole.update(b"\0" + str(script).encode() + b"\0" + text)
    key = f"{_CLUSTER}-{whole.hexdigest()[:16]}"

    def make(world: ProcessWorld) -> Cluster:
        empty = session.once(_CLUSTER, lambda world: Cluster.make(world, _CLUSTER))
        folder = folder_of(world.scratch, key)
        try:
            cluster = empty.copy(world.scratch, folder)
            _create(world, cluster, database)
            if scripts:
                _run(world, cluster, database, scripts)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # whoever asks next, makes it anew
            raise
        return cluster

    return session.once(key, make)


def _create(world: ProcessWorld, cluster: Cluster, database: str) -> None:
    if database == "postgres":
        return  # initdb made it
    name = database.replace('"', '""')
    log = cluster.folder / "create.log"
    end = world.run_to_end(cluster.alone(statement=f'CREATE DATABASE "{name}"', log=log), _INIT_WITHIN_S)
    if end["code"] != 0 or not (cluster.folder / "data" / "PG_VERSION").exists():
        raise TargetError(f"database={database!r} cannot be made: {postgres_cluster.reason_of(log)}")


def _run(world: ProcessWorld, cluster: Cluster, database: str, scripts: Sequence[Path]) -> None:
    """Serves the files for as long as the scripts take; a clean stop makes the copies start at once."""
    name = f"init-{cluster.folder.name}"
    log = cluster.folder / "init.log"
    port, _ = start_on_free_port(
        world, lambda port: cluster.launch(name=name, port=port, log=log, restart=Restart(policy="never"))
    )
    try:
        for script in scripts:
            _run_script(world, cluster, port, database, script)
    finally:
        world.stop(name, grace_s=_INIT_WITHIN_S)


def _run_script(world: ProcessWorld, cluster: Cluster, port: int, database: str, script: Path) -> None:
    found = shutil.which("psql", path=str(cluster.binaries)) or shutil.which("psql")
    if found is None:
        _run_by_driver(port, database, script)
        return
    log = cluster.folder / "psql.log"
    where = ["-h", LOOPBACK, "-p", str(port), "-U", USER, "-d", database]
    launch = Launch(
        name=f"psql-{cluster.folder.name}",
        role="psql",
        command=[found, "-X", "-q", "-v", "ON_ERROR_STOP=1", *where, "-f", str(script)],
        environment=surroundings(cluster.folder),
        folder=str(script.parent),
        log=str(log),
        restart=Restart(policy="never"),
    )
    end = world.run_to_end(launch, _INIT_WITHIN_S)
    if end["code"] != 0:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in said if "ERROR" in line or "error:" in line]
        raise TargetError(f"init={str(script)!r} failed: {(errors or said or ['psql said nothing'])[0]}")


def _run_by_driver(port: int, database: str, script: Path) -> None:
    """For a server that came without psql, as that of the wheel does; knows SQL only, no `\\copy`."""
    try:
        import psycopg  # noqa: PLC0415  an optional dependency
    except ImportError:
        raise TargetError(f"init={str(script)!r} needs psql in PATH, or pip install psycopg") from None
    try:
        with psycopg.connect(host=LOOPBACK, port=port, user=USER, dbname=database, autocommit=True) as one:
            one.execute(script.read_bytes())
    except psycopg.Error as error:
        raise TargetError(f"init={str(script)!r} failed: {' '.join(str(error).split())}") from None
