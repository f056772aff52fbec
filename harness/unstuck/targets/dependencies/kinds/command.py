"""Any command that serves a port which it is given."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from unstuck.errors import TargetError
from unstuck.targets.dependencies.port import Contained, Framer, Ground, Option, Prepared, Wanted
from unstuck.targets.dependencies.surroundings import surroundings
from unstuck.worlds.process.ports import LOOPBACK
from unstuck.worlds.process.wire import Launch

KIND = "command"
FRAMER: Framer = "raw"
VALUES = ("folder",)
INSTALL = "install it, or give its path"
OPTIONS = {
    "command": Option(shape="texts", means="what to run; `{port}`, `{host}` and `{folder}` are filled in"),
    "environment": Option(shape="settings", means="variables besides PATH, filled in likewise"),
    "cwd": Option(shape="text", means="where it runs (the current folder); its data belong in `{folder}`"),
    "ready_line": Option(shape="text", means="it is ready when its log has this"),
    "ready_url": Option(shape="text", means="or when this answers 200 (else: when its port is answered)"),
    "ready_timeout_s": Option(shape="seconds", at_least=0, means="how long that may take (20)"),
    "ready_settle_s": Option(shape="seconds", at_least=0, means="how long it must live on after that (0)"),
    "stop_signal": Option(shape="text", means="what asks it to end (`SIGTERM`)"),
    "framer": Option(shape="text", choices=get_args(Framer), means="how its messages are told apart (`raw`)"),
    "url": Option(shape="text", means="what roles are told, `{host}` and `{port}` filled in (`host:port`)"),
}

_READY_WITHIN_S = 20.0
_OF_PROGRAMS = ("cwd", "ready_url", "ready_settle_s", "stop_signal")  # of this machine
_INSIDE = "/data"  # `{folder}` of a container


def prepare(wanted: Wanted, ground: Ground) -> Prepared:
    """Nothing but its folder. Raises `TargetError` for a program that is not there."""
    options = wanted.options
    command = _words(options.get("command", ()))
    environment = {name: str(value) for name, value in options.get("environment", {}).items()}
    if not any("{port}" in text for text in (*command, *environment.values())):
        raise TargetError(
            f"command={options.get('command')!r} is told no port; put {{port}} where it says where to listen"
        )
    cwd = Path(options.get("cwd", ".")).absolute()
    if not _is_there(command[0], cwd):
        # A container knows nothing of this machine's programs: there is no image to take in its place.
        raise TargetError(f"command={command[0]!r} was not found: {INSTALL}")

    def launch(port: int) -> Launch:
        def filled(text: str) -> str:
            return fill(text, host=LOOPBACK, port=port, folder=str(ground.data))

        line, url = options.get("ready_line"), options.get("ready_url")
        return Launch(
            name=wanted.name,
            role=wanted.name,
            command=[filled(word) for word in command],
            environment=surroundings(ground.data)
            | {name: filled(value) for name, value in environment.items()},
            folder=str(cwd),
            log=str(ground.log),
            ready_line=None if line is None else filled(line),
            ready_url=None if url is None else filled(url),
            ready_port=port if line is None and url is None else None,
            ready_timeout_s=options.get("ready_timeout_s", _READY_WITHIN_S),
            ready_settle_s=options.get("ready_settle_s", 0.0),
            stop_signal=options.get("stop_signal", "SIGTERM"),
            beside=True,
        )

    def url_of(host: str, port: int) -> str:
        return fill(options.get("url", "{host}:{port}"), host=host, port=port, folder=str(ground.data))

    return Prepared(
        launch=launch, url=url_of, values={"folder": str(ground.data)}, framer=options.get("framer")
    )


def contained(wanted: Wanted, ground: Ground) -> Contained:  # noqa: ARG001  every kind's
    """Any image; `command` is what follows its entry point, and may be left out. Raises `TargetError`."""
    options = wanted.options
    if "image" not in options:
        raise TargetError("from='container' needs `image`; say which")
    for name in _OF_PROGRAMS:
        if name in options:
            raise TargetError(f"{name}={options[name]!r} has no effect in a container; leave it out")
    words = _words(options["command"]) if "command" in options else None
    variables = {name: str(value) for name, value in options.get("environment", {}).items()}
    if not any("{port}" in text for text in (*(words or ()), *variables.values())):
        raise TargetError("nothing tells it its port; put {port} into `command` or `environment`")

    def filled(text: str, port: int) -> str:
        return fill(text, host=LOOPBACK, port=port, folder=_INSIDE)

    return Contained(
        image=str(options["image"]),
        inside=_INSIDE,
        command=lambda port: None if words is None else [filled(word, port) for word in words],
        environment=lambda port: {name: filled(value, port) for name, value in variables.items()},
        url=lambda host, port: fill(
            options.get("url", "{host}:{port}"), host=host, port=port, folder=_INSIDE
        ),
        ready=lambda port: [filled(options["ready_line"], port)] if "ready_line" in options else [],
        ready_timeout_s=options.get("ready_timeout_s", _READY_WITHIN_S),
        framer=options.get("framer"),
    )


def _is_there(program: str, cwd: Path) -> bool:
    """As the system looks for it: a path from where it runs, a name in PATH."""
    return os.access(cwd / program, os.X_OK) if "/" in program else shutil.which(program) is not None


def fill(text: str, *, host: str, port: int, folder: str) -> str:
    """The text with what is known filled in; other braces stay, since shells and JSON have theirs."""
    for name, value in (("host", host), ("port", str(port)), ("folder", folder)):
        text = text.replace(f"{{{name}}}", value)
    return text


def _words(command: Any) -> Sequence[str]:
    """A text is split as a shell would, with its quotes, and no shell runs it."""
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise TargetError(
            f"command={command!r} cannot be split into words: {error}; mend its quotes"
        ) from None
    if not words:
        raise TargetError("command is missing; say what to run, with {port} where it says where to listen")
    return words
