"""Splits shell text into commands and words, each word with its line. No shell is started, nothing is
expanded.

Enough of POSIX to find a command and its flags: quotes, escapes, continued lines, comments, redirections,
and the operators that end a command. What `$(…)` runs are commands of their own, to three brackets deep.
What is never closed ends with the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

# No choice between two ways to match, and no bracket that is not closed is read past the fourth: linear.
_SUBSTITUTED: Final = r"\$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_TOKEN: Final = re.compile(
    rf"""(?P<continued>\\\n)
    | (?P<escaped>\\.)
    | (?P<single>'[^']*'?)
    | (?P<double>"(?:\\.|{_SUBSTITUTED}|[^"\\])*"?)
    | (?P<substituted>{_SUBSTITUTED})
    | (?P<redirected>[0-9]*[<>]&[0-9-]*|&>>?)
    | (?P<end>[;|&()\n])
    | (?P<space>\s)
    | (?P<text>(?:[^\s\\'";|&()$<>]|\$(?!\()|[<>](?!&))+)
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_IN_QUOTES: Final = re.compile(rf"\\.|({_SUBSTITUTED})", re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=.*", re.ASCII | re.DOTALL)


class Word(NamedTuple):
    """One word of a command, with the line that it begins on. `inner`: (text, line) of each `$(…)` in it."""

    text: str
    line: int
    inner: tuple[tuple[str, int], ...] = ()


def commands(text: str, first_line: int = 1) -> Iterator[tuple[Word, ...]]:
    """Each simple command of a text, assignments in front of it left out; before it those of its `$(…)`."""
    command: list[Word] = []
    for word in _words(text, first_line):
        if word is None:
            if command:
                yield tuple(command)
            command = []
            continue
        for inner, line in word.inner:
            yield from commands(inner, line)
        if command or not _ASSIGNMENT.fullmatch(word.text):
            command.append(word)
    if command:
        yield tuple(command)


def split(text: str) -> tuple[str, ...]:
    """All words of a text, as `shlex.split` would, but of any text."""
    return tuple(word.text for word in _words(text, 1) if word is not None)


def _words(text: str, line: int) -> Iterator[Word | None]:
    """The words in order; None where a command ends."""
    at, parts, inner = 0, list[str](), list[tuple[str, int]]()
    begun: int | None = None  # the line where the word began that is being read
    while at < len(text):
        token = _TOKEN.match(text, at)
        assert token is not None  # the last alternative takes anything
        kind, piece = token.lastgroup or "", token[0]
        if kind == "text" and begun is None and piece.startswith("#"):
            at = _line_end(text, at)
            continue
        at = token.end()
        if kind in ("end", "space"):
            if begun is not None:
                yield Word("".join(parts), begun, tuple(inner))
                begun, parts, inner = None, [], []
            if kind == "end":
                yield None
        elif kind != "continued":
            begun = line if begun is None else begun
            parts.append(_bare(kind, piece))
            inner += _inner(kind, piece, line)
        line += piece.count("\n")
    if begun is not None:
        yield Word("".join(parts), begun, tuple(inner))


def _inner(kind: str, piece: str, line: int) -> Iterator[tuple[str, int]]:
    """What each `$(…)` of a piece runs, with its line."""
    if kind == "substituted":
        yield piece[2:-1], line
    elif kind == "double":
        for found in _IN_QUOTES.finditer(piece):
            if found[1] is not None:
                yield found[1][2:-1], line + piece.count("\n", 0, found.start())


def _bare(kind: str, piece: str) -> str:
    """What a piece of a word stands for, without its quotes and escapes."""
    if kind == "single":
        return piece[1:].removesuffix("'")
    if kind == "double":
        return re.sub(r'\\(["\\$`])', r"\1", piece[1:].removesuffix('"').replace("\\\n", ""))
    return piece[1:] if kind == "escaped" else piece


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
