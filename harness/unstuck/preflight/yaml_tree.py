"""Reads the YAML of manifests: more than scenarios may hold (anchors, aliases, merges, tags, several
documents), with the lines kept and each scalar as it is written.

As `unstuck.yaml_source`, it builds on the parser's events: nothing in a file can construct or call
anything. An alias is the very node that it names, so a chain of them costs no memory; merges are unions of
keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from unstuck.errors import UsageError
from unstuck.yaml_source import Node

DEPTH_MAX: Final = 60
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_NOTHING: Final = Node(None, 1)


def documents(text: str, name: str) -> list[Node]:
    """Every document that holds something. Scalars are text as written; null is None.

    Raises `UsageError` with `name:line` for what is not YAML.
    """
    tree = _Tree(name)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            tree.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = tree.line if mark is None else mark.line + 1
        problem = " ".join((error.problem or error.context or "it cannot be parsed").split())
        step = "Render the template first." if "{{" in text else "Mend the file."
        raise UsageError(f"{name}:{line}: this is not YAML: {problem}. {step}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(f"{name}:{line}: a character is not allowed in YAML. Take it out.") from None
    except (ValueError, OverflowError):  # `\UFFFFFFFF`: PyYAML hands it to chr() unchecked
        raise UsageError(f"{name}:{tree.line}: an escape sequence names no character. Mend it.") from None
    return [root for root in tree.roots if root.value is not None]


def at(node: Node | None, *path: str) -> Node | None:
    """What stands below these keys; None where one of them is missing, or leads through no mapping."""
    for key in path:
        if node is None or not isinstance(node.value, Mapping):
            return None
        node = node.value.get(key)
    return node


def entries(node: Node | None) -> Mapping[str, Node]:
    """The entries of a mapping; none of anything else."""
    return node.value if node is not None and isinstance(node.value, Mapping) else {}


def items(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; none of anything else."""
    return node.value if node is not None and isinstance(node.value, tuple) else ()


def text_of(node: Node | None) -> str | None:
    """A scalar as written; None for null, a list, a mapping, and nothing."""
    return node.value if node is not None and isinstance(node.value, str) else None


def texts(node: Node | None) -> tuple[str, ...]:
    """The scalars of a list, as written."""
    return tuple(text for text in map(text_of, items(node)) if text is not None)


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read; `key` waits for its value."""

    line: int
    is_mapping: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    merged: list[Node] = field(default_factory=list)
    key: tuple[str, int, bool] | None = None  # the last: it is a merge

    def close(self) -> Node:
        if not self.is_mapping:
            return Node(tuple(self.items), self.line)
        for source in self.merged:
            for key, value in _sources(source):
                self.entries.setdefault(key, value)
        return Node(self.entries, self.line)


def _sources(node: Node) -> Iterator[tuple[str, Node]]:
    """The entries that a merge brings: of one mapping, or of each in a list, the first one winning."""
    yield from entries(node).items()
    for one in items(node):
        yield from entries(one).items()


class _Tree:
    """Builds nodes from the parser's events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.roots: list[Node] = []
        self.line = 1
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: yaml.Event) -> None:
        assert event.start_mark is not None  # the parser marks every event
        self.line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchors = {}
        elif isinstance(event, yaml.AliasEvent):
            # An alias to what is not closed yet, or not there at all: nothing, and no loop.
            self._place(self._anchors.get(event.anchor or "", _NOTHING), None)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._stack) >= DEPTH_MAX:
                raise UsageError(
                    f"{self.name}:{self.line}: nested deeper than {DEPTH_MAX} levels. Flatten it."
                )
            mapping = isinstance(event, yaml.MappingStartEvent)
            self._stack.append(_Frame(self.line, mapping, event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            frame = self._stack.pop()
            self._place(frame.close(), frame.anchor)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.is_mapping and frame.key is None:
            frame.key = (event.value, self.line, event.style is None and event.value == "<<")
            return
        null = event.style is None and event.value in _NULLS
        self._place(Node(None if null else event.value, self.line), event.anchor)

    def _place(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self.roots.append(node)
            return
        frame = self._stack[-1]
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.key is None:  # a list or a mapping as a key: no manifest has one
            frame.key = ("", node.line, False)
        else:
            key, line, merge = frame.key
            frame.key = None
            if merge:
                frame.merged.append(node)
            else:
                frame.entries[key] = Node(node.value, line)
