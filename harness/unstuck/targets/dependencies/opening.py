"""Opens a dependency in the world of a run: options checked, data made, a port found, started, ready."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unstuck.errors import TargetError, did_you_mean
from unstuck.targets.dependencies import containers
from unstuck.targets.dependencies.kinds import KINDS
from unstuck.targets.dependencies.listeners import addresses_of
from unstuck.targets.dependencies.port import (
    FROM,
    Dependency,
    Ground,
    KindModule,
    NotInstalled,
    Option,
    Place,
    Prepared,
    Wanted,
)
from unstuck.targets.dependencies.starting import start_on_free_port
from unstuck.worlds.process.dependencies import folder_of
from unstuck.worlds.process.ports import LOOPBACK
from unstuck.worlds.process.session import Session

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


def check(wanted: Wanted) -> KindModule:
    """Its kind, if name, kind and options are right. Raises `TargetError` with the first that is not."""
    if not _NAME.fullmatch(wanted.name):
        raise TargetError(
            f"dependency: name={wanted.name!r} must begin with a letter and hold only letters, digits, "
            "_ and -, 40 at most"
        )
    kind = KINDS.get(wanted.kind)
    if kind is None:
        raise TargetError(
            f"dependency {wanted.name!r}: kind={wanted.kind!r} is unknown.{did_you_mean(wanted.kind, KINDS)}"
        )
    options = {**kind.OPTIONS, **FROM}
    for name, value in wanted.options.items():
        option = options.get(name)
        if option is None:
            known = did_you_mean(str(name), options)
            raise TargetError(f"{_where(wanted)}: option {name!r} is unknown.{known}")
        problem = _problem(option, value)
        if problem is not None:
            raise TargetError(f"{_where(wanted)}: {name}={value!r} must be {problem}")
    return kind


def open_dependency(wanted: Wanted, *, world: Place, session: Session, folder: Path) -> Dependency:
    """Starts it in the run's world and waits until it is ready. `folder` is the run's: logs go there.

    The world takes it away, with its data. Raises `TargetError` with one line: a wrong option, nothing
    installed that could run it, how its start failed, or that other machines could reach it;
    `Interrupted` as the world's start does.
    """
    kind = check(wanted)
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    try:
        data = folder_of(world.quick, f"dependency-{wanted.name}")
    except FileExistsError:
        raise TargetError(f"dependency {wanted.name!r} is open already; choose another name") from None
    ground = Ground(world=world, session=session, data=data, log=logs / f"{wanted.name}.log")
    try:
        prepared = _prepare(wanted, kind, ground)
        return _start(wanted, kind, prepared, world)
    except BaseException as error:
        shutil.rmtree(data, ignore_errors=True)  # whoever mends what was wrong may open it again
        if isinstance(error, TargetError):
            raise TargetError(f"{_where(wanted)}: {error}") from error
        raise


def _prepare(wanted: Wanted, kind: KindModule, ground: Ground) -> Prepared:
    """From this machine's program, or a container: as it was told, else the first that is there."""
    told = wanted.options.get("from", "container" if "image" in wanted.options else None)
    if told == "container":
        return containers.prepare(wanted, ground, kind.contained(wanted, ground))
    try:
        return kind.prepare(wanted, ground)
    except NotInstalled as error:
        if told == "machine":
            raise
        missing = containers.why_not()
        if missing is not None:
            raise NotInstalled(f"{error}; nor is there a container engine: {missing}") from None
        return containers.prepare(wanted, ground, kind.contained(wanted, ground))


def _start(wanted: Wanted, kind: KindModule, prepared: Prepared, world: Place) -> Dependency:
    port, launch = start_on_free_port(world, prepared.launch)
    open_to = addresses_of(port)
    if open_to:
        world.stop(wanted.name, grace_s=0)
        raise TargetError(
            f"listens on {', '.join(open_to)}, where other machines reach it; "
            f"make it listen on {LOOPBACK} only"
        )
    return Dependency(
        name=wanted.name,
        kind=wanted.kind,
        host=LOOPBACK,
        port=port,
        framer=prepared.framer or kind.FRAMER,
        spec=launch,
        prepared=prepared,
    )


def _where(wanted: Wanted) -> str:
    return f"dependency {wanted.name!r} ({wanted.kind})"


def _problem(option: Option, value: Any) -> str | None:
    """What the value must be and is not; None for one that is right."""
    if option.choices and value not in option.choices:
        return f"one of {', '.join(option.choices)}"
    rule, fits = _SHAPES[option.shape]
    if not fits(value):
        return rule
    if option.at_least is not None and value < option.at_least:
        return f"{option.at_least:g} or more"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SHAPES: Mapping[str, tuple[str, Any]] = {
    "whole": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "seconds": ("a number of seconds", _is_number),
    "text": ("a text that is not empty", lambda value: isinstance(value, str) and value != ""),
    "texts": (
        "a text or a list of texts, none of them empty",
        lambda value: (
            bool(value)
            and (
                isinstance(value, str)
                or (isinstance(value, list | tuple) and all(isinstance(one, str) and one for one in value))
            )
        ),
    ),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "settings": (
        "names with texts or numbers",
        lambda value: (
            isinstance(value, Mapping) and all(isinstance(one, str | int | float) for one in value.values())
        ),
    ),
}
