"""Where the parts of a running system are: as the command line, the target file or a variable says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from unstuck.errors import TargetError, UsageError, did_you_mean
from unstuck.targets.declared.file import TargetFile
from unstuck.targets.declared.hosts import hosts_off_machine, is_here

SCHEMES: Mapping[str, str] = {"redis": "redis", "postgres": "postgresql", "rabbitmq": "amqp"}
PORTS: Mapping[str, int] = {
    "redis": 6379, "rediss": 6379, "postgresql": 5432, "postgres": 5432, "http": 80, "https": 443,
    "amqp": 5672, "amqps": 5671,
}  # fmt: skip
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WHOLE_URL = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\.url\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One dependency or role of the running system. `said_by` says who told: `--at`, `running`, `$NAME`."""

    name: str
    url: str
    said_by: str

    @property
    def host(self) -> str:
        return self._parts.hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        return self._parts.port or PORTS.get(self.scheme, 0)

    @property
    def scheme(self) -> str:
        """Without the driver: `postgresql` of `postgresql+psycopg`."""
        return self._parts.scheme.partition("+")[0]

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def value(self, what: str) -> str:
        """What `{name}` and `{name.what}` stand for. Raises `KeyError` for what the URL does not say."""
        parts = self._parts
        known: dict[str, str | None] = {
            "": f"{self.host}:{self.port}", "url": self.url, "host": self.host, "port": str(self.port),
            "database": unquote(parts.path.lstrip("/")) or None, "vhost": unquote(parts.path[1:]) or None,
            "user": parts.username and unquote(parts.username),
            "password": parts.password and unquote(parts.password),
        }  # fmt: skip
        found = known.get(what)
        if found is None:
            raise KeyError(f"{self.name}.{what}")
        return found

    def login(self) -> dict[str, Any]:
        """What a client is made with beside host and port."""
        parts = self._parts
        given = {"user": parts.username, "password": parts.password}
        found: dict[str, Any] = {key: unquote(value) for key, value in given.items() if value}
        if self.scheme in ("redis", "rediss"):
            found = {"username" if key == "user" else key: value for key, value in found.items()}
            return {**found, "ssl": True} if self.scheme == "rediss" else found
        if self.scheme in ("postgres", "postgresql"):
            return {**found, **{key: value for key, value in parse_qsl(parts.query) if key != "options"}}
        return found

    def shown(self) -> str:
        """For people: without user and password."""
        database = self._parts.path.rstrip("/")
        return f"{self.name} at {self.host}:{self.port}{database} ({self.said_by})"

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)


def find_places(
    file: TargetFile, given: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, Place]:
    """Name -> place, for each of which somebody says where it is: `--at` (`given`) before `running` of the
    file before a variable of which the file says that it holds the address (`REDIS_URL: "{broker.url}"`).

    Raises `UsageError` for a name that the file lacks and for what is no address, `TargetError` for a host
    off this machine that is not both named by the file and allowed by the command line.
    """
    names = [*file.dependencies, *file.roles]
    for name in given:
        if name not in names:
            raise UsageError(f"--at {name}=…: is neither a dependency nor a role.{did_you_mean(name, names)}")
    found: dict[str, Place] = {}
    for name in names:
        told = _told(file, name, given, environment)
        if told is not None:
            place = _place(file, name, *told)
            _check_host(file, place)
            found[name] = place
    return found


def _told(
    file: TargetFile, name: str, given: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[str, str] | None:
    """(address, who says so), or None."""
    if name in given:
        return given[name], "--at"
    if name in file.running:
        text = file.running[name]
        variable = _VARIABLE.fullmatch(text)
        if variable is None:
            return text, "running"
        key = variable[1] or variable[2]
        if not environment.get(key):
            return None
        return environment[key], f"${key}"
    for declared in (file.environment, *(role.environment for role in file.roles.values())):
        for key, value in declared.items():
            match = _WHOLE_URL.fullmatch(value)
            if match is not None and match[1] == name and environment.get(key):
                return environment[key], f"${key}"
    return None


def _place(file: TargetFile, name: str, text: str, said_by: str) -> Place:
    where = f"{said_by} {name}" if said_by in ("--at", "running") else said_by
    url = text.strip()
    if "://" not in url:
        kind = file.dependencies[name].kind if name in file.dependencies else ""
        url = f"{SCHEMES.get(kind, 'http')}://{url}"
    try:
        place = Place(name=name, url=url, said_by=said_by)
        usable = place._parts.hostname is not None and place.port > 0  # noqa: SLF001  of this module
    except ValueError:  # a port that is none
        usable = False
    if not usable:
        raise UsageError(
            f"{where}: is no address of a server (its scheme is {url.partition('://')[0]!r}). "
            "Write it as host:port or as a URL."
        )
    return place


def _check_host(file: TargetFile, place: Place) -> None:
    # By its parts and by its text: some clients take several hosts in one URL.
    hosts = dict.fromkeys([place.host.lower(), *hosts_off_machine(place.url)])
    for host in hosts:
        if is_here(host) or host in file.hosts_allowed:
            continue
        named = (
            "" if host in file.allow_hosts else f"name it in allow_hosts of the target file ([{host}]) and "
        )
        raise TargetError(
            f"{place.said_by}: {place.name} is on {host!r}, which is not this machine. If it is meant, "
            f"{named}allow it with --allow-host {host}."
        )
