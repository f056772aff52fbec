"""`{names}` in the texts of a target file: what may be named where, and filling them in.

A name in braces is filled in; anything else in braces (JSON, say) is left as it is; `{{name}}` is `{name}`.

    {broker}            host:port of a dependency; of the process's own link, where a process uses it
    {broker.url}        and what its kind offers: host, port, database, user, …
    {api}, {api.url}    host:port, http://host:port of a role that has a `{port}` of its own
    {process} {role}    the name of this process (`worker-1`), its role
    {port} {folder}     a port of its own, and a folder of the run's that goes with it
    {python}            the target's Python
    {job}               a job's id; in a submission only with `chosen: true`: the one that we choose
    {anything else}     a value of the job, as `submit.values` names them
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from unstuck.errors import ScenarioError, did_you_mean
from unstuck.loading.spot import Spot
from unstuck.targets.declared.file import (
    Call,
    CommandCall,
    HttpCall,
    JobSource,
    Observation,
    PythonCall,
    RedisCall,
    RedisSource,
    Role,
    RowsSource,
    Source,
    SqlCall,
    TargetFile,
)
from unstuck.targets.dependencies import KINDS
from unstuck.yaml_source import Node

_NAME = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?"
_PLACE = re.compile(rf"\{{(\{{{_NAME}\}})\}}|\{{({_NAME})\}}")  # doubled around a name; or a name
OF_PROCESS = frozenset({"process", "role", "port", "folder", "python"})
OF_JOB = "job"


def names_in(text: str) -> set[str]:
    """The names that a text asks for: `{"broker", "broker.url"}` of `{broker} {broker.url}`."""
    return {match[2] for match in _PLACE.finditer(text) if match[2]}


def is_of_job(text: str) -> bool:
    """True for a text that is another one for each job."""
    return OF_JOB in names_in(text)


def is_glob(key: str) -> bool:
    """True for a key that stands for several."""
    return any(char in key for char in "*?[")


def fill(text: str, value_of: Callable[[str], str]) -> str:
    """The text with each name's value. `value_of` raises `KeyError` for a name that it does not know."""

    def put(match: re.Match[str]) -> str:
        return match[1] if match[2] is None else value_of(match[2])

    return _PLACE.sub(put, text)


def fill_all(value: Any, value_of: Callable[[str], str]) -> Any:
    """The same for every text in lists and mappings."""
    if isinstance(value, str):
        return fill(value, value_of)
    if isinstance(value, Mapping):
        return {key: fill_all(item, value_of) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill_all(item, value_of) for item in value]
    return value


def texts_of_role(target: TargetFile, role: Role) -> Iterator[str]:
    """Every text of a role that may name something."""
    yield from role.command
    yield from role.environment.values()
    yield from target.environment.values()
    for variant in (*target.configurations.values(), *target.defences.values()):
        yield from variant.environment.values()
    yield from filter(None, (role.ready.url, role.ready.line))


def reached_by(target: TargetFile, role: Role) -> list[str]:
    """Dependencies and roles whose address a role is given; each is a link of its own."""
    named = {name.partition(".")[0] for text in texts_of_role(target, role) for name in names_in(text)}
    known = [*target.dependencies, *(one for one in target.roles if one != role.name)]
    return [name for name in known if name in named]


def has_port(target: TargetFile, role: Role) -> bool:
    """True for a role that is given a port of its own."""
    return role.ready.port or any("port" in names_in(text) for text in texts_of_role(target, role))


def texts_of_call(call: Call) -> Iterator[str]:
    """Every text of a call that may name something."""
    match call:
        case CommandCall(command=command) | RedisCall(command=command):
            yield from command
        case HttpCall(url=url, body=body, headers=headers):
            yield url
            yield from headers.values()
            yield from _texts(body)
        case SqlCall(statement=statement):
            yield statement
        case PythonCall():
            return


def named_by(call: Call) -> set[str]:
    """Dependencies and roles that a call goes to or names. A Python function may reach every dependency
    by its environment, which says so itself."""
    named = {name.partition(".")[0] for text in texts_of_call(call) for name in names_in(text)}
    if isinstance(call, RedisCall | SqlCall):
        named.add(call.dependency)
    return named


def all_calls(target: TargetFile) -> Iterator[Call]:
    """Every call that a run may carry out."""
    yield target.submit.call
    yield from filter(None, (target.cancel, target.rescue))
    for source in (*target.observe.sources, *((target.effects,) if target.effects else ())):
        yield from calls_of_source(source)


def calls_of_source(source: Source) -> Iterator[Call]:
    if isinstance(source, RowsSource | JobSource):
        yield source.call


def check_templates(target: TargetFile, root: Spot) -> None:
    """Raises `ScenarioError` for a name that nothing has, on the line where it stands."""
    places = _places(target)
    values = set(target.submit.values)
    for name, role in target.roles.items():
        known = {*places, *OF_PROCESS}
        _check(texts_of_role(target, role), known, root, f"roles.{name}")
    common = {*places, "python", "folder"}
    ours = {OF_JOB} if target.submit.chosen else set()
    _check(texts_of_call(target.submit.call), {*common, *ours, *values}, root, "submit")
    for key, call in (("cancel", target.cancel), ("rescue", target.rescue)):
        if call is not None:
            _check(texts_of_call(call), {*common, OF_JOB}, root, key)
    for where, source in _sources(target.observe, target.effects):
        known = {*common, OF_JOB} if isinstance(source, JobSource) else common
        for call in calls_of_source(source):
            _check(texts_of_call(call), known, root, where)
        if isinstance(source, RedisSource):
            _check((look.key for look in source.looks), {OF_JOB}, root, where)


def _sources(observe: Observation, effects: Source | None) -> Iterator[tuple[str, Source]]:
    for number, source in enumerate(observe.sources):
        yield f"observe.sources[{number}]", source
    if observe.listing is not None:
        yield "observe.list", observe.listing
    if effects is not None:
        yield "effects", effects


def _places(target: TargetFile) -> set[str]:
    """What is named by its address, whoever asks."""
    found = set[str]()
    for name, dependency in target.dependencies.items():
        found.add(name)
        found |= {f"{name}.{value}" for value in ("url", "host", "port", *KINDS[dependency.kind].VALUES)}
    for name, role in target.roles.items():
        if has_port(target, role):
            found |= {name, f"{name}.url", f"{name}.port", f"{name}.host"}
    return found


def _check(texts: Iterable[str], known: set[str], root: Spot, where: str) -> None:
    for text in texts:
        for name in sorted(names_in(text) - known):
            line = _line_of(root.node, "{" + name + "}") or root.line
            hint = did_you_mean(name, known)
            if (where, name) == ("submit", OF_JOB):
                hint = " Say `chosen: true` if the id is ours."
            raise ScenarioError(
                f"{root.file}:{line}: {where}: {{{name}}} names nothing.{hint} "
                "Double the braces if they are meant as such."
            )


def _line_of(node: Node, text: str) -> int | None:
    """The line of the first value that holds `text`."""
    value = node.value
    if isinstance(value, str):
        return node.line if text in value else None
    items: Iterable[Node] = ()
    if isinstance(value, tuple):
        items = value
    elif isinstance(value, Mapping):
        items = value.values()
    return next((line for item in items if (line := _line_of(item, text)) is not None), None)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
