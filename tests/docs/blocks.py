"""The code blocks of the pages, with where they stand, and what their kind says is to be done with them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

from tests.tooling.repository import pages, text

KINDS = frozenset({"console", "json", "manifest", "python", "shell", "text", "toml", "yaml"})
"""What may stand behind the three backquotes (`manifest` behind a language that colours it);
`test_code_blocks.py` says what is done with each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One code block. `kind` is its info string; empty for an indented block, which has none."""

    page: Path
    line: int
    kind: str
    content: str

    @property
    def first(self) -> str:
        """What stands first in it, up to a gap: what the table of checks calls it by."""
        return self.content.split("\n", 1)[0].strip().split("  ")[0]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def every_block() -> tuple[Block, ...]:
    """All blocks of all pages, in their order."""
    return tuple(block for page in pages() for block in _blocks(page))


def of_kind(*kinds: str) -> list[Block]:
    return [block for block in every_block() if block.kind in kinds]


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of a block of `shell`, or behind each `$` of a `console`."""
    for line in block.content.splitlines():
        if block.kind == "console" and not line.startswith("$ "):
            continue
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words:
            yield [words[0].removeprefix(".venv/bin/"), *words[1:]]


def output(block: Block) -> list[str]:
    """What a `console` shows, line by line; `…` alone stands for what was left out."""
    lines = [line for line in block.content.splitlines() if not line.startswith("$ ")]
    return [line for line in lines if line.strip(" …")]


def loose(text: str) -> str:
    """A text without what differs from run to run: numbers, ids, space."""
    text = re.sub(r"\bj-[0-9a-f]{16}\b", "j-#", text)
    text = re.sub(r"-[0-9a-f]{6}\b", "-#", text)
    text = re.sub(r"\d+(\.\d+)?", "#", text)
    return " ".join(text.split())


def appears(line: str, where: str) -> bool:
    """True when a line of a page is part of an output, both of them loose; `…` is anything."""
    pattern = ".*".join(re.escape(part.strip()) for part in loose(line).split("…"))
    return re.search(pattern, where) is not None


def _blocks(page: Path) -> Iterator[Block]:
    for token in MarkdownIt().parse(text(page)):
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            info = token.info.strip()
            kind = "manifest" if info.endswith(" manifest") else info
            yield Block(page=page, line=token.map[0] + 1, kind=kind, content=token.content)
