"""Dockerfiles: how the program of the last stage starts, and with which signal it is to be stopped.

https://docs.docker.com/reference/dockerfile/: ENTRYPOINT and CMD in shell form run below `/bin/sh -c`,
which does not pass signals on; an ENTRYPOINT in exec form gets a CMD in shell form as the arguments
`/bin/sh -c …`; a STOPSIGNAL, ENTRYPOINT and CMD of the base image hold on. Only what stands in this file
is judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from unstuck.preflight import shell_words, units
from unstuck.preflight.model import Entry, Kind, Platform, Setting, Workload

FORMAT: Final = "Dockerfile"
_HEREDOC: Final = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?", re.ASCII)
_VARIABLE: Final = re.compile(r"\$\{?\w")


class _Instruction(NamedTuple):
    name: str
    rest: str
    line: int


class _Start(NamedTuple):
    """An ENTRYPOINT or a CMD: `words` None in shell form."""

    words: tuple[str, ...] | None
    text: str
    line: int


@dataclass(slots=True)
class _Stage:
    line: int
    entrypoint: _Start | None = None
    command: _Start | None = None
    signal: Setting[str] | None = None
    environment: dict[str, Setting[str]] = field(default_factory=dict)


def read(text: str) -> list[Workload]:
    """The image of the last stage; nothing where it says nothing of its start."""
    stages: dict[str, _Stage] = {}
    stage: _Stage | None = None
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            stage = _begin(instruction, stages)
        elif stage is not None:
            _take(stage, instruction)
    if stage is None:
        return []
    return [
        Workload(
            platform=Platform.IMAGE,
            kind=Kind.IMAGE,
            name="image",
            line=stage.line,
            entry=_entry(stage),
            stop_signal=stage.signal,
            environment=stage.environment,
        )
    ]


def _begin(instruction: _Instruction, stages: dict[str, _Stage]) -> _Stage:
    words = [word for word in instruction.rest.split() if not word.startswith("--")]
    base = stages.get(words[0].lower()) if words else None
    stage = _Stage(instruction.line)
    if base is not None:
        stage.entrypoint, stage.command, stage.signal = base.entrypoint, base.command, base.signal
        stage.environment = dict(base.environment)
    if len(words) >= 3 and words[1].lower() == "as":
        stages[words[2].lower()] = stage
    stages[str(len(stages))] = stage
    return stage


def _take(stage: _Stage, instruction: _Instruction) -> None:
    rest = instruction.rest
    match instruction.name:
        case "ENTRYPOINT":
            stage.entrypoint = _start(instruction)
            stage.command = None  # a new ENTRYPOINT drops the CMD of the base
        case "CMD":
            stage.command = _start(instruction)
        case "STOPSIGNAL":
            value = None if _VARIABLE.search(rest) else units.signal_name(rest)
            stage.signal = Setting(value=value, line=instruction.line, text=f"STOPSIGNAL {rest}")
        case "ENV":
            words = shell_words.split(rest)
            pairs = [word.partition("=")[::2] for word in words if "=" in word]
            if words and "=" not in words[0]:  # the older form: ENV NAME value
                pairs = [(words[0], " ".join(words[1:]))]
            for name, value in pairs:
                known = None if _VARIABLE.search(value) else value
                stage.environment[name] = Setting(value=known, line=instruction.line, text=f"{name}={value}")


def _start(instruction: _Instruction) -> _Start:
    text = f"{instruction.name} {instruction.rest}"
    if instruction.rest.startswith("["):
        try:
            words = json.loads(instruction.rest)
        except (ValueError, RecursionError):
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return _Start(tuple(words), text, instruction.line)
    return _Start(None, text, instruction.line)


def _entry(stage: _Stage) -> Entry | None:
    first, command = stage.entrypoint, stage.command
    if first is None and command is None:
        return None
    start = first or command
    assert start is not None
    if start.words is None:  # the shell form of an ENTRYPOINT drops any CMD
        *_, last = ((), *shell_words.commands(start.text.partition(" ")[2]))
        words = tuple(word.text for word in last)
        return Entry(text=start.text, words=words, line=start.line, in_shell=True) if words else None
    words, text = start.words, start.text
    if first is not None and command is not None:
        text = f"{first.text} with {command.text}"
        tail = command.text.partition(" ")[2]
        words += ("/bin/sh", "-c", tail) if command.words is None else command.words
    return Entry(text=text, words=words, line=start.line) if words else None


def _instructions(text: str) -> Iterator[_Instruction]:
    """Each instruction on one line: continued ones joined, comments and the bodies of heredocs left out."""
    escape = "`" if re.match(r"\s*#\s*escape\s*=\s*`", text) else "\\"
    lines = enumerate(text.split("\n"), 1)
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = [line.strip()]
        while parts[-1].endswith(escape):
            parts[-1] = parts[-1][:-1].rstrip()
            further = next(((_, one) for _, one in lines if not one.lstrip().startswith("#")), None)
            if further is None:
                break
            parts.append(further[1].strip())
        whole = " ".join(part for part in parts if part)
        name, _, rest = whole.partition(" ")
        if name.upper() in ("RUN", "COPY", "ADD"):
            for end in _HEREDOC.findall(rest):
                next((None for _, one in lines if one.strip() == end), None)
        yield _Instruction(name.upper(), rest.strip(), number)
