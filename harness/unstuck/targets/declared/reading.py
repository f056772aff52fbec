"""Loads a target file and validates the whole of it; nothing is started.

Every mistake is one `ScenarioError`: `path:line: what, rule, next step`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from unstuck import yaml_source
from unstuck.errors import ScenarioError, TargetError, did_you_mean
from unstuck.loading.fields import build, one_of, typed
from unstuck.loading.spot import Spot
from unstuck.scenario import Promise
from unstuck.targets.declared.file import (
    DependencyOptions,
    Ready,
    RequiredFile,
    Role,
    SettingOption,
    Stop,
    TargetFile,
    Timings,
    Variant,
)
from unstuck.targets.declared.hosts import check_hosts
from unstuck.targets.declared.reading_calls import CallReader
from unstuck.targets.declared.templates import OF_PROCESS, check_templates
from unstuck.targets.declared.words import (
    TargetWords,
    plain,
    read_command,
    read_settings,
    read_texts,
)
from unstuck.targets.dependencies import KINDS, Wanted, check
from unstuck.worlds.port import Restart
from unstuck.yaml_source import Node

T = TypeVar("T")
KEYS = (
    "name", "summary", "promise", "python", "requires", "folder", "environment", "dependencies", "roles",
    "submit", "cancel", "observe", "effects", "rescue", "timings", "settings", "configurations", "defences",
    "inherit", "allow_hosts", "running",
)  # fmt: skip
ROLE_KEYS = (
    "command", "replicas", "environment", "folder", "ready", "stop", "restart", "memory_limit_mib",
)  # fmt: skip
PROMISES: tuple[Any, ...] = get_args(Promise)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OURS = frozenset({"client", "harness", "links", "ledger", "job", *OF_PROCESS})
_WORDS = TargetWords()


def load_target(path: Path, allowed_hosts: Collection[str] | None = ()) -> TargetFile:
    """Reads `unstuck.yaml`, or `[tool.unstuck.target]` of a `pyproject.toml`. Raises `ScenarioError`, also
    for an address off this machine that is not both named by the file and in `allowed_hosts`. None: the
    file is only looked at, and nothing of it will reach anything."""
    if path.suffix == ".toml":
        root, text = _toml_table(path)
    else:
        root, text = yaml_source.read(path)
    file = _read(Spot(str(path), "", root), path, text)
    if allowed_hosts is None:
        return file
    allowed = frozenset(host.lower() for host in allowed_hosts)
    check_hosts(Spot(str(path), "", root), file.allow_hosts, allowed)
    return replace(file, hosts_allowed=file.allow_hosts & allowed)


def _read(root: Spot, path: Path, text: str) -> TargetFile:
    entries = root.entries(KEYS)
    for key in ("name", "roles", "submit", "observe"):
        if key not in entries:
            raise root.error(f"{key!r} is missing. Add it; docs/your-own-service.md has examples.")
    dependencies = _read_dependencies(entries["dependencies"]) if "dependencies" in entries else {}
    calls = CallReader({name: one.kind for name, one in dependencies.items()})
    roles = _read_roles(entries["roles"], dependencies)
    folder = (path.parent / (_text(entries["folder"]) if "folder" in entries else ".")).resolve()
    if not folder.is_dir():
        raise entries["folder"].error(f"is not a folder ({folder}). Name the one where the roles run.")
    found = TargetFile(
        name=_matching(entries["name"], _TITLE, "a name of letters, digits, '.', '_' and '-'"),
        path=path,
        folder=folder,
        dependencies=dependencies,
        roles=roles,
        submit=calls.submission(entries["submit"]),
        observe=calls.observation(entries["observe"]),
        text=text,
    )
    found = _read_plain(found, entries)
    for key in ("cancel", "rescue"):
        if key in entries:
            found = _with(found, key, calls.one_call(entries[key]))
    if "running" in entries:
        found = replace(found, running=_read_running(entries["running"], {*dependencies, *roles}))
    if "effects" in entries:
        found = _read_effects(found, entries["effects"], calls)
    found = _read_variants(found, entries)
    check_templates(found, root)
    return found


def _read_plain(found: TargetFile, entries: Mapping[str, Spot]) -> TargetFile:
    if "summary" in entries:
        found = replace(found, summary=" ".join(_text(entries["summary"]).split()))
    if "promise" in entries:
        found = replace(found, promise=one_of(entries["promise"], PROMISES))  # type: ignore[arg-type]  # a literal
    if "python" in entries:
        found = replace(found, python=_text(entries["python"]))
    if "requires" in entries:
        found = replace(found, requires=tuple(_read_required(item) for item in entries["requires"].items()))
    if "environment" in entries:
        found = replace(found, environment=read_texts(entries["environment"]))
    if "timings" in entries:
        found = replace(found, timings=build(Timings, entries["timings"], _WORDS))
    if "inherit" in entries:
        found = replace(found, inherit=frozenset(_text(item) for item in entries["inherit"].items()))
    if "allow_hosts" in entries:
        hosts = frozenset(_text(item).lower() for item in entries["allow_hosts"].items())
        found = replace(found, allow_hosts=hosts)
    return found


def _read_required(spot: Spot) -> str | RequiredFile:
    """A package as pip takes it, or a file and the command that brings it."""
    return build(RequiredFile, spot, _WORDS) if isinstance(spot.node.value, Mapping) else _text(spot)


def _read_dependencies(spot: Spot) -> dict[str, DependencyOptions]:
    found: dict[str, DependencyOptions] = {}
    for name, one in spot.entries().items():
        _check_name(spot, one, name)
        entries = one.entries()
        if "kind" not in entries:
            raise one.error(f"lacks 'kind'. Add one of: {', '.join(sorted(KINDS))}.")
        kind = entries["kind"].scalar()
        if not isinstance(kind, str) or kind not in KINDS:
            raise entries["kind"].unknown("a kind of dependency", KINDS)
        options: dict[str, Any] = {}
        for key, value in entries.items():
            if key == "kind":
                continue
            if key not in KINDS[kind].OPTIONS:
                hint = did_you_mean(key, KINDS[kind].OPTIONS)
                raise one.key_error(value, key, f"is not an option of {kind}.{hint}")
            options[key] = plain(value)
        try:
            check(Wanted(name=name, kind=kind, options=options))
        except TargetError as error:
            raise ScenarioError(f"{one.file}:{one.line}: {error}.") from None
        found[name] = DependencyOptions(kind=kind, options=options)
    return found


def _read_roles(spot: Spot, dependencies: Mapping[str, DependencyOptions]) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for name, one in spot.entries().items():
        _check_name(spot, one, name)
        if name in dependencies:
            raise spot.key_error(one, name, "is also a dependency. Name one of them otherwise.")
        entries = one.entries(ROLE_KEYS)
        if "command" not in entries:
            raise one.error("lacks 'command'. Write the program and its arguments.")
        role = Role(name=name, command=read_command(entries["command"]))
        readers: Mapping[str, Any] = {
            "environment": read_texts,
            "folder": _text,
            "ready": _read_ready,
            "stop": lambda stop: build(Stop, stop, _WORDS),
            "restart": lambda restart: build(Restart, restart, _WORDS),
        }
        for key, read in readers.items():
            if key in entries:
                role = _with(role, key, read(entries[key]))
        for key in ("replicas", "memory_limit_mib"):
            if key in entries:
                number = typed(entries[key], (int,))
                _WORDS.check(key, entries[key])
                role = _with(role, key, number)
        roles[name] = role
    if not roles:
        raise spot.error("names no role. Add one: `worker: {command: …}`.")
    return roles


def _read_ready(spot: Spot) -> Ready:
    if not isinstance(spot.node.value, Mapping):
        return Ready(line=_text(spot))
    ready = build(Ready, spot, _WORDS)
    ways = [ready.line is not None, ready.url is not None, ready.port]
    if sum(ways) > 1:
        raise spot.error("says several ways. Keep one of line, url and port.")
    if ready.timeout_s <= 0:
        raise spot.error("has timeout_s=0: nothing can be ready in no time. Raise it.")
    return ready


def _read_effects(found: TargetFile, spot: Spot, calls: CallReader) -> TargetFile:
    if not isinstance(spot.node.value, Mapping):
        word = str(one_of(spot, ("ledger", "none")))
        return replace(found, ledger=word == "ledger")
    return replace(found, effects=calls.effects(spot), ledger=False)


def _read_running(spot: Spot, known: Collection[str]) -> Mapping[str, str]:
    for name, one in spot.entries().items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise spot.key_error(one, name, f"is neither a dependency nor a role.{hint}")
    return read_texts(spot)


def _read_variants(found: TargetFile, entries: Mapping[str, Spot]) -> TargetFile:
    if "settings" in entries:
        settings = {}
        for name, one in entries["settings"].entries().items():
            inner = one.entries({"value", "variable"})
            for key in ("value", "variable"):
                if key not in inner:
                    raise one.error(f"lacks {key!r}. Write {{value: 5, variable: NAME}}.")
            value = typed(inner["value"], (str, int, float, bool))
            assert value is not None  # not among the types
            settings[name] = SettingOption(value=value, variable=_text(inner["variable"]))
        found = replace(found, settings=settings)
    for key in ("configurations", "defences"):
        if key in entries:
            variants = {
                name: _read_variant(one, found.settings) for name, one in entries[key].entries().items()
            }
            found = _with(found, key, variants)
    return found


def _read_variant(spot: Spot, settings: Mapping[str, SettingOption]) -> Variant:
    readers = {
        "environment": read_texts,
        "settings": lambda one: _read_chosen(one, settings),
        "promise": lambda one: one_of(one, PROMISES),
        "timings": lambda one: build(Timings, one, _WORDS),
    }
    return build(Variant, spot, _WORDS, readers=readers)


def _read_chosen(spot: Spot, settings: Mapping[str, SettingOption]) -> dict[str, Any]:
    chosen = read_settings(spot)
    for name, entry in spot.entries().items():
        if name not in settings:
            raise spot.key_error(entry, name, f"is not a setting of this file.{did_you_mean(name, settings)}")
    return dict(chosen)


def _check_name(spot: Spot, entry: Spot, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise spot.key_error(entry, name, "is no name. Write a word of small letters, digits and _.")
    if name in _OURS:
        raise spot.key_error(entry, name, "means something else already. Take another name.")


def _with(data: T, field: str, value: Any) -> T:
    """The same frozen data with one field changed, named by its key in the file."""
    changed: dict[str, Any] = {field: value}
    return replace(data, **changed)  # type: ignore[type-var]  # the three callers hand in dataclasses


def _text(spot: Spot) -> str:
    return str(typed(spot, (str,)))


def _matching(spot: Spot, pattern: re.Pattern[str], what: str) -> str:
    value = _text(spot)
    if not pattern.fullmatch(value):
        raise spot.error(f"must be {what}.")
    return value


def _toml_table(path: Path) -> tuple[Node, str]:
    """`[tool.unstuck.target]` as a node; all of its values have the line where the table begins."""
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise ScenarioError(f"{str(path)!r} cannot be read: {error.strerror}. Check the path.") from None
    except ValueError as error:
        raise ScenarioError(f"{path}:1: is not TOML ({error}).") from None
    tool = tables.get("tool")
    unstuck = tool.get("unstuck") if isinstance(tool, dict) else None
    table = unstuck.get("target") if isinstance(unstuck, dict) else None
    if not isinstance(table, dict):
        raise ScenarioError(f"{path}:1: has no [tool.unstuck.target]. Add it, or give an unstuck.yaml.")
    lines = text.splitlines()
    line = next((n for n, one in enumerate(lines, 1) if one.startswith("[tool.unstuck.target")), 1)
    return _node(table, line), text


def _node(value: Any, line: int) -> Node:
    if isinstance(value, dict):
        return Node({str(key): _node(item, line) for key, item in value.items()}, line)
    if isinstance(value, list):
        return Node(tuple(_node(item, line) for item in value), line)
    return Node(value if isinstance(value, str | int | float | bool) else str(value), line)
