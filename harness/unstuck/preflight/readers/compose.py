"""Compose files: https://github.com/compose-spec/compose-spec, `05-services.md` and `deploy.md`.

Defaults from there: `stop_grace_period` 10 s, `restart` no, no limit of memory, no init. The stop signal
is the image's own unless `stop_signal` says another. A command in one line is split into words, and no
shell is put around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from unstuck.preflight import shell_words, units
from unstuck.preflight.model import Entry, Kind, Platform, Setting, Workload
from unstuck.preflight.readers.kinds import kind_of
from unstuck.preflight.yaml_tree import at, entries, items, text_of, texts
from unstuck.yaml_source import Node

FORMAT: Final = "Compose"
GRACE_S: Final = 10.0
_VARIABLE: Final = re.compile(
    r"\$\$|\$\{(\w{1,200})(?::?[-=]([^{}$]{0,2000})|[^{}]{0,2000})\}|\$(\w+)", re.ASCII
)


def recognise(documents: list[Node]) -> bool:
    """A mapping with `services`, each of which is a mapping."""
    services = [entries(at(one, "services")) for one in documents]
    return any(found and all(entries(one) for one in found.values()) for found in services)


def read(documents: list[Node]) -> list[Workload]:
    """A workload for each service."""
    found: list[Workload] = []
    for document in documents:
        services = entries(at(document, "services"))
        awaited = {
            name
            for service in services.values()
            for name, how in entries(at(service, "depends_on")).items()
            if text_of(at(how, "condition")) == "service_completed_successfully"
        }
        found += [_workload(name, node, ends=name in awaited) for name, node in services.items()]
    return found


def fill_in(text: str | None) -> str | None:
    """The text with `${NAME:-default}` filled in; None when a variable has no default here."""
    if text is None or "$" not in text:
        return text
    unknown = False

    def value(match: re.Match[str]) -> str:
        nonlocal unknown
        if match[0] == "$$":
            return "$"
        if match[2] is None:
            unknown = True
        return match[2] or ""

    filled = _VARIABLE.sub(value, text)
    return None if unknown else filled


def _workload(name: str, node: Node, *, ends: bool) -> Workload:
    entry = _entry(node)
    image = text_of(at(node, "image"))
    kind = kind_of(
        name,
        () if entry is None else entry.words,
        image=None if at(node, "build") is not None else image,
        reachable=bool(items(at(node, "ports"))),
        ends=ends,
    )
    inherits = at(node, "extends") is not None
    return Workload(
        platform=Platform.COMPOSE,
        kind=kind,
        name=name,
        line=node.line,
        entry=entry,
        stop_signal=_signal(node),
        grace_s=_grace(node, inherits=inherits),
        limits_memory=True,
        memory_limit_mib=_memory(node, inherits=inherits),
        replicas=_replicas(node),
        restart=_restart(node, inherits=inherits, kind=kind),
        environment=environment(at(node, "environment")),
        init=_init(node, inherits=inherits),
        reachable=bool(items(at(node, "ports"))),
        image=image,
    )


def _entry(node: Node) -> Entry | None:
    words: list[str] = []
    line, shown = node.line, list[str]()
    for name in ("entrypoint", "command"):
        part = at(node, name)
        text = text_of(part)
        if part is None or (text is None and not items(part)):
            continue
        words += shell_words.split(text) if text is not None else texts(part)
        line = part.line if not shown else line
        shown.append(f"{name}={text if text is not None else list(texts(part))}")
    return Entry(text=", ".join(shown), words=tuple(words), line=line) if words else None


def _signal(node: Node) -> Setting[str] | None:
    found = at(node, "stop_signal")
    if found is None:
        return None  # the image's own
    text = text_of(found)
    return Setting(value=units.signal_name(fill_in(text)), line=found.line, text=f"stop_signal={text}")


def _grace(node: Node, *, inherits: bool) -> Setting[float]:
    found = at(node, "stop_grace_period")
    if found is None:
        text = "stop_grace_period, inherited by `extends`," if inherits else "Compose's default grace of 10 s"
        return Setting(value=None if inherits else GRACE_S, line=node.line, text=text, default=True)
    text = text_of(found) or ""
    return Setting(value=units.seconds(fill_in(text)), line=found.line, text=f"stop_grace_period={text}")


def _memory(node: Node, *, inherits: bool) -> Setting[float] | None:
    for path in (("mem_limit",), ("deploy", "resources", "limits", "memory")):
        found = at(node, *path)
        text = text_of(found)
        if found is not None and text is not None:
            name = path[-1] if len(path) == 1 else "limits.memory"
            value = units.mebibytes(fill_in(text))
            if value == 0:
                return None  # which is no limit
            return Setting(value=value, line=found.line, text=f"{name}={text}")
    if inherits:
        return Setting(value=None, line=node.line, text="mem_limit, inherited by `extends`,", default=True)
    return None


def _replicas(node: Node) -> Setting[int] | None:
    found = at(node, "deploy", "replicas") or at(node, "scale")
    if found is None:
        return None
    return Setting(value=units.whole(text_of(found)), line=found.line, text=f"replicas={text_of(found)}")


def _restart(node: Node, *, inherits: bool, kind: Kind) -> Setting[str] | None:
    if kind is Kind.JOB:
        return None
    policy = at(node, "deploy", "restart_policy")
    found = at(node, "restart") or at(policy, "condition")
    text = text_of(found)
    if found is not None and text is not None:
        value = fill_in(text)
        value = None if value is None else {"none": "no", "any": "always"}.get(value, value.split(":")[0])
        return Setting(value=value, line=found.line, text=f"restart={text}")
    if policy is not None:
        return Setting(value="always", line=policy.line, text="restart_policy", default=True)
    text = "restart, inherited by `extends`," if inherits else "Compose's default, restart=no,"
    return Setting(value=None if inherits else "no", line=node.line, text=text, default=True)


def _init(node: Node, *, inherits: bool) -> Setting[bool]:
    found = at(node, "init")
    if found is None:
        return Setting(
            value=None if inherits else False, line=node.line, text="no `init: true`", default=True
        )
    return Setting(
        value=units.switch(fill_in(text_of(found))), line=found.line, text=f"init={text_of(found)}"
    )


def environment(node: Node | None) -> Mapping[str, Setting[str]]:
    """A mapping, or a list of `NAME=value`; what has no value is taken from elsewhere."""
    found: dict[str, Setting[str]] = {}
    for name, value in entries(node).items():
        text = text_of(value)
        found[name] = Setting(value=fill_in(text), line=value.line, text=f"{name}={text or ''}")
    for one in items(node):
        name, equals, text = (text_of(one) or "").partition("=")
        if name:
            value_text = fill_in(text) if equals else None
            found[name] = Setting(value=value_text, line=one.line, text=f"{name}={text}")
    return found
