"""fly.toml: https://fly.io/docs/reference/configuration/. A machine is sent SIGINT and killed 5 s later,
unless `kill_signal` and `kill_timeout` say otherwise
(https://fly.io/blog/graceful-vm-exits-some-dials/). A machine that its proxy stops for want of requests
does no other work either.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from unstuck.errors import UsageError
from unstuck.preflight import shell_words, units
from unstuck.preflight.model import Entry, Platform, Setting, Workload
from unstuck.preflight.readers.kinds import kind_of

FORMAT: Final = "fly.toml"
GRACE_S: Final = 5.0
_HEADER: Final = re.compile(r"\[{1,2}([^\[\]]+)\]{1,2}\s*(#.*)?")
_KEY: Final = re.compile(r"\s*\"?([\w.-]+)\"?\s*=")
_SIZES_MIB: Final = {
    "shared-cpu-1x": 256.0,
    "shared-cpu-2x": 512.0,
    "shared-cpu-4x": 1024.0,
    "shared-cpu-8x": 2048.0,
}


class _Lines:
    """Where each key stands, by its table; what the parser of TOML does not tell."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, str], int] = {}
        table = ""
        for number, line in enumerate(text.split("\n"), 1):
            header, key = _HEADER.fullmatch(line.strip()), _KEY.match(line)
            if header is not None:
                table = header[1].strip()
                self._found.setdefault((table, ""), number)
            elif key is not None:
                self._found.setdefault((table, key[1]), number)

    def of(self, table: str, key: str = "") -> int:
        """The line of the first such key, of its table where it has none, else 1."""
        return self._found.get((table, key), self._found.get((table, ""), 1))


def read(text: str, path: str) -> list[Workload]:
    """A workload for each process group. Raises `UsageError` for what is not TOML."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        said = re.search(r"at line (\d+)", str(error))
        problem = str(error).partition(" (at")[0]
        raise UsageError(
            f"{path}:{said[1] if said else 1}: this is not TOML: {problem}. Mend the file."
        ) from None
    lines = _Lines(text)
    processes = _table(data, "processes")
    groups: list[tuple[str, str | None, int]] = [
        (name, command if isinstance(command, str) else None, lines.of("processes", name))
        for name, command in processes.items()
    ] or [("app", None, lines.of("", "app"))]
    return [_workload(data, lines, name, command, line) for name, command, line in groups]


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _tables(data: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Each table of an array, or the one that stands there alone."""
    found = data.get(name)
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, dict):
            yield one


def _belongs(table: Mapping[str, Any], group: str) -> bool:
    groups = table.get("processes")
    return not isinstance(groups, list) or not groups or group in groups


def _workload(data: Mapping[str, Any], lines: _Lines, name: str, command: str | None, line: int) -> Workload:
    words = shell_words.split(command or "")
    serves = [
        table
        for kind in ("http_service", "services")
        for table in _tables(data, kind)
        if _belongs(table, name)
    ]
    return Workload(
        platform=Platform.FLY,
        kind=kind_of(name, words, reachable=bool(serves)),
        name=name,
        line=line,
        entry=Entry(text=command or "", words=words, line=line) if words else None,
        stop_signal=_signal(data, lines, line),
        grace_s=_grace(data, lines, line),
        limits_memory=True,
        memory_limit_mib=_memory(data, lines, name, line),
        restart=_restart(data, lines, name),
        environment={
            key: Setting(value=str(value), line=lines.of("env", key), text=f"{key}={value}")
            for key, value in _table(data, "env").items()
        },
        init=Setting(value=True, line=line, text="fly's own init", default=True),
        scales_to_zero=_stops(serves, lines),
    )


def _signal(data: Mapping[str, Any], lines: _Lines, line: int) -> Setting[str]:
    said = data.get("kill_signal")
    if said is None:
        return Setting(value="SIGINT", line=line, text="fly's default kill_signal, SIGINT,", default=True)
    return Setting(
        value=units.signal_name(str(said)), line=lines.of("", "kill_signal"), text=f"kill_signal={said}"
    )


def _grace(data: Mapping[str, Any], lines: _Lines, line: int) -> Setting[float]:
    said = data.get("kill_timeout")
    if said is None:
        return Setting(value=GRACE_S, line=line, text="fly's default kill_timeout of 5 s", default=True)
    return Setting(
        value=units.seconds(str(said)), line=lines.of("", "kill_timeout"), text=f"kill_timeout={said}"
    )


def _memory(data: Mapping[str, Any], lines: _Lines, name: str, line: int) -> Setting[float]:
    """Of the machine: a machine always has a size, though it may have been given elsewhere."""
    for table in _tables(data, "vm"):
        if not _belongs(table, name):
            continue
        for key in ("memory", "memory_mb", "size"):
            said = table.get(key)
            if said is not None:
                text = f"{said}mb" if isinstance(said, int) else str(said)
                value = _SIZES_MIB.get(text) if key == "size" else units.mebibytes(text)
                return Setting(value=value, line=lines.of("vm", key), text=f"{key}={said}")
    return Setting(
        value=None, line=line, text="the size of its machine, which is not in this file,", default=True
    )


def _restart(data: Mapping[str, Any], lines: _Lines, name: str) -> Setting[str] | None:
    for table in _tables(data, "restart"):
        policy = table.get("policy")
        if _belongs(table, name) and isinstance(policy, str):
            value = {"never": "no", "no": "no"}.get(policy, policy)
            return Setting(value=value, line=lines.of("restart", "policy"), text=f"policy={policy}")
    return None


def _stops(serves: list[Mapping[str, Any]], lines: _Lines) -> Setting[bool] | None:
    """Whether the proxy may stop every machine of a group that it serves."""
    for table in serves:
        said = table.get("auto_stop_machines")
        least = table.get("min_machines_running", 0)
        if said is not None:
            stops = str(said).lower() not in ("off", "false") and not (isinstance(least, int) and least >= 1)
            line = max(
                lines.of("http_service", "auto_stop_machines"), lines.of("services", "auto_stop_machines")
            )
            return Setting(value=stops, line=line, text=f"auto_stop_machines={said}")
    return None
