"""systemd units: `.service` and `.timer`.

Defaults: `TimeoutStopSec` 90 s, `KillSignal` SIGTERM, `KillMode` control-group (SIGTERM to every process
of the unit), `Restart` no, no limit of memory (systemd.service(5), systemd.kill(5),
systemd.resource-control(5)). Drop-ins and `DefaultTimeoutStopSec` of system.conf are not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from unstuck.preflight import shell_words, units
from unstuck.preflight.model import Entry, Kind, Platform, Probe, Setting, Workload
from unstuck.preflight.readers.kinds import kind_of

FORMAT: Final = "systemd unit"
GRACE_S: Final = 90.0

_Entries = Mapping[tuple[str, str], list[tuple[str, int]]]


def read(text: str, path: str) -> list[Workload]:
    """The workload of a service unit, or the schedule of a timer."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for section, key, value, line in _settings(text):
        found.setdefault((section, key), []).append((value, line))
    name = PurePosixPath(path.replace("\\", "/")).stem
    if any(section == "Timer" for section, _ in found):
        return [_timer(found, name)]
    if not any(section == "Service" for section, _ in found):
        return []
    return [_service(found, name)]


def _settings(text: str) -> Iterator[tuple[str, str, str, int]]:
    section = ""
    lines = enumerate(text.split("\n"), 1)
    for number, line in lines:
        text_of_line = line.strip()
        if not text_of_line or text_of_line[0] in "#;":
            continue
        if text_of_line.startswith("[") and text_of_line.endswith("]"):
            section = text_of_line[1:-1]
            continue
        while text_of_line.endswith("\\"):
            further = next(((_, one) for _, one in lines if one.strip()[:1] not in ("#", ";")), None)
            text_of_line = text_of_line[:-1].rstrip() + (" " + further[1].strip() if further else "")
            if further is None:
                break
        key, equals, value = text_of_line.partition("=")
        if equals:
            yield section, key.strip(), value.strip(), number


def _last(found: _Entries, *keys: str, section: str = "Service") -> tuple[str, str, int] | None:
    """(key, value, line) of the last of these that is set; an empty value takes it back."""
    said = [(key, value, line) for key in keys for value, line in found.get((section, key), [])]
    last = max(said, key=lambda one: one[2], default=None)
    return last if last is not None and last[1] else None


def _timer(found: _Entries, name: str) -> Workload:
    keys = ("OnCalendar", "OnUnitActiveSec", "OnUnitInactiveSec", "OnBootSec", "OnActiveSec")
    said = _last(found, *keys, section="Timer")
    unit = _last(found, "Unit", section="Timer")
    target = unit[1] if unit else name
    line = said[2] if said else 1
    return Workload(
        platform=Platform.SYSTEMD,
        kind=Kind.SCHEDULE,
        name=f"{name}.timer",
        line=line,
        entry=Entry(text=target, words=(target,), line=line),
        schedule=Setting(
            value=said[1] if said else None, line=line, text=f"{said[0]}={said[1]}" if said else "[Timer]"
        ),
    )


def _service(found: _Entries, name: str) -> Workload:
    starts = found.get(("Service", "ExecStart"), [])
    line = starts[0][1] if starts else min(line for values in found.values() for _, line in values)
    kind_of_unit = _last(found, "Type")
    ends = kind_of_unit is not None and kind_of_unit[1] == "oneshot"
    mode = _last(found, "KillMode")
    entry = _entry(starts, reaches_all=mode is None or mode[1] == "control-group")
    return Workload(
        platform=Platform.SYSTEMD,
        kind=kind_of(name, () if entry is None else entry.words, ends=ends),
        name=name,
        line=line,
        entry=entry,
        stop_signal=_signal(found, line),
        grace_s=_grace(found, line),
        limits_memory=True,
        memory_limit_mib=_memory(found),
        timeouts_s=_run_time(found),
        liveness=_watchdog(found),
        restart=None if ends else _restart(found, line),
        environment=_environment(found),
        kill_mode=Setting(value=mode[1], line=mode[2], text=f"KillMode={mode[1]}") if mode else None,
    )


def _entry(starts: list[tuple[str, int]], *, reaches_all: bool) -> Entry | None:
    if not starts or not starts[-1][0]:
        return None
    text, line = starts[-1]
    words = shell_words.split(text.lstrip("@-:+!|"))
    return Entry(text=f"ExecStart={text}", words=words, line=line, reaches_all=reaches_all) if words else None


def _signal(found: _Entries, line: int) -> Setting[str]:
    said = _last(found, "KillSignal")
    if said is None:
        return Setting(value="SIGTERM", line=line, text="systemd's default KillSignal=SIGTERM", default=True)
    return Setting(value=units.signal_name(said[1]), line=said[2], text=f"KillSignal={said[1]}")


def _grace(found: _Entries, line: int) -> Setting[float]:
    said = _last(found, "TimeoutStopSec", "TimeoutSec")
    if said is None:
        return Setting(
            value=GRACE_S, line=line, text="systemd's default TimeoutStopSec of 90 s", default=True
        )
    value = units.seconds(said[1])
    if value == 0:  # 0 switches the limit off
        value = float("inf")
    return Setting(value=value, line=said[2], text=f"{said[0]}={said[1]}")


def _memory(found: _Entries) -> Setting[float] | None:
    said = _last(found, "MemoryMax", "MemoryLimit")
    if said is None or said[1] == "infinity":
        return None
    return Setting(value=units.mebibytes(said[1]), line=said[2], text=f"{said[0]}={said[1]}")


def _run_time(found: _Entries) -> tuple[Setting[float], ...]:
    said = _last(found, "RuntimeMaxSec")
    if said is None:
        return ()
    return (Setting(value=units.seconds(said[1]), line=said[2], text=f"RuntimeMaxSec={said[1]}"),)


def _watchdog(found: _Entries) -> Probe | None:
    """`WatchdogSec`: the program is killed when it has not reported for so long."""
    said = _last(found, "WatchdogSec")
    value = units.seconds(said[1]) if said else None
    if said is None or value == 0:
        return None
    return Probe(
        line=said[2],
        text=f"WatchdogSec={said[1]}",
        period_s=0.0,
        timeout_s=value,
        failures=None if value is None else 1,
    )


def _restart(found: _Entries, line: int) -> Setting[str]:
    said = _last(found, "Restart")
    if said is None:
        return Setting(value="no", line=line, text="systemd's default Restart=no", default=True)
    return Setting(value=said[1], line=said[2], text=f"Restart={said[1]}")


def _environment(found: _Entries) -> Mapping[str, Setting[str]]:
    said: dict[str, Setting[str]] = {}
    for text, line in found.get(("Service", "Environment"), []):
        for word in shell_words.split(text):
            name, equals, value = word.partition("=")
            if equals:
                said[name] = Setting(value=re.sub(r"%%", "%", value), line=line, text=word)
    return said
