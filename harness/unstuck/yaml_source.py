"""Reads YAML into plain data that remembers lines. Nothing in a file can construct or call anything.

Built on the parser's events, not on its composer or constructor: so an alias cannot blow up, a tag cannot
name a class, and deep nesting is refused before anything recurses. Plain scalars are read by the core
schema of YAML 1.2: `on`, `yes`, `012` and `12:30` are not what YAML 1.1 makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from unstuck.errors import ScenarioError

BYTES_MAX = 256 * 1024
DEPTH_MAX = 20
NUMBER_MAX = 2**53  # whole numbers up to here survive JSON and floats

Scalar = str | int | float | bool | None

_WORDS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a file. `line` counts from 1: where its key stands, else where it begins itself."""

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    line: int

    def plain(self) -> Any:
        """The same without lines: dict, list, str, int, float, bool, None."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, Mapping):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value


def read(path: Path) -> tuple[Node, str]:
    """The file's mapping, and its text as written.

    Raises `ScenarioError`, one line, for everything that keeps the file from being read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ScenarioError(f"{str(path)!r} cannot be read: {why}. Check the path.") from None
    if len(raw) > BYTES_MAX:
        raise ScenarioError(f"{path}:1: the file is larger than {BYTES_MAX // 1024} KiB. Split the scenario.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ScenarioError(
            f"{path}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8. Save the file as UTF-8."
        ) from None
    return parse(text, str(path)), text


def parse(text: str, name: str) -> Node:
    """The mapping in `text`; `name` stands for the file in messages. Raises `ScenarioError`."""
    tree = _Tree(name)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            tree.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise _refusal(name, tree.line if mark is None else mark.line + 1, _broken(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = ord(text[error.position])
        raise _refusal(
            name, line, f"character U+{code:04X} is not allowed in YAML. Take it out or escape it."
        ) from None
    except (ValueError, OverflowError):  # `\UFFFFFFFF`: PyYAML hands it to chr() unchecked
        raise _refusal(name, tree.line, "an escape sequence names no character. Mend it.") from None
    if tree.root is None or tree.root.value is None:
        raise _refusal(name, 1, "the file is empty. Begin with `name:` and `summary:`.")
    if not isinstance(tree.root.value, Mapping):
        raise _refusal(name, tree.root.line, "a scenario is a mapping. Begin with `name:` and `summary:`.")
    return tree.root


def resolve(text: str) -> Scalar:
    """What a plain scalar means in YAML 1.2. Raises `ValueError` (a rule) for a number out of bounds."""
    if text in _WORDS:
        return _WORDS[text]
    number: int | float
    if _INT.fullmatch(text):
        if len(text) > 30:  # int() itself refuses thousands of digits
            raise ValueError("is too large a number. Take one that fits")
        number = int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    elif _FLOAT.fullmatch(text):
        number = float(text)
    elif _NOT_FINITE.fullmatch(text):
        raise ValueError("is not a finite number. Take one that is")
    else:
        return text
    if abs(number) > NUMBER_MAX:
        raise ValueError("is too large a number. Take one that fits")
    return number


def _refusal(name: str, line: int, rule: str) -> ScenarioError:
    return ScenarioError(f"{name}:{line}: {rule}")


def _broken(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join((error.problem or error.context or "it cannot be parsed").split())
    if r"'\t'" in problem:
        return "a tab cannot indent YAML. Use spaces."
    return f"this is not YAML: {problem}. Mend this line or the one above."


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read; `key` waits for its value."""

    line: int
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    key: tuple[str, int] | None = None


class _Tree:
    """Builds nodes from the parser's events, and refuses what a scenario may not contain."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root: Node | None = None
        self.line = 1
        self._stack: list[_Frame] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        assert event.start_mark is not None  # the parser marks every event
        self.line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._refuse("a second document begins here. Keep one scenario a file.")
        if isinstance(event, yaml.NodeEvent):
            self._refuse_references(event)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(is_mapping=isinstance(event, yaml.MappingStartEvent))
        elif isinstance(event, yaml.CollectionEndEvent):
            frame = self._stack.pop()
            self._place(frame.entries if frame.is_mapping else tuple(frame.items), frame.line)

    def _refuse(self, rule: str) -> ScenarioError:
        return _refusal(self.name, self.line, rule)

    def _refuse_references(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise self._refuse(f"alias {shorten(event.anchor)} is not allowed. Write the value out.")
        if event.anchor is not None:
            raise self._refuse(
                f"anchor {shorten(event.anchor)} is not allowed. Write the value out where needed."
            )
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self._refuse(f"tag {shorten(tag)} is not allowed. Write the plain value.")

    def _open(self, *, is_mapping: bool) -> None:
        if self._awaits_key():
            raise self._refuse("a key must be a word, not a list or a mapping. Quote it if it is one.")
        if len(self._stack) >= DEPTH_MAX:
            raise self._refuse(f"this is nested deeper than {DEPTH_MAX} levels. Flatten it.")
        self._stack.append(_Frame(self.line, is_mapping))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if _SURROGATE.search(event.value):
            raise self._refuse("an escape sequence names half a character. Mend it.")
        if self._awaits_key():
            self._key(event)
            return
        value: Scalar = event.value
        if event.style is None:  # plain: neither quoted nor a block
            try:
                value = resolve(event.value)
            except ValueError as error:
                raise self._refuse(f"{shorten(event.value)} {error}.") from None
        self._place(value, self.line)

    def _awaits_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].is_mapping and self._stack[-1].key is None

    def _key(self, event: yaml.ScalarEvent) -> None:
        frame = self._stack[-1]
        if event.style is None and event.value == "<<":
            raise self._refuse("merge key '<<' is not allowed. Write the entries out.")
        if event.value in frame.entries:
            first = frame.entries[event.value].line
            raise self._refuse(
                f"key {shorten(event.value)} stands here again, first on line {first}. Keep one."
            )
        frame.key = (event.value, self.line)

    def _place(self, value: Scalar | tuple[Node, ...] | Mapping[str, Node], line: int) -> None:
        if not self._stack:
            self.root = Node(value, line)
            return
        frame = self._stack[-1]
        if frame.key is None:
            frame.items.append(Node(value, line))
        else:
            key, key_line = frame.key
            frame.entries[key] = Node(value, key_line)
            frame.key = None


def shorten(value: object, most: int = 60) -> str:
    """The value as a message shows it: one line, cut in the middle; `true` and `null` as YAML has them."""
    text = repr(value)
    if value is None or isinstance(value, bool):
        text = {"None": "null"}.get(text, text.lower())
    return text if len(text) <= most else f"{text[: most - 12]}…{text[-8:]}"
