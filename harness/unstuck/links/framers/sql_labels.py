"""What a SQL statement is called: its verb and its first table, `UPDATE jobs`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from unstuck.links.framers.sql_functions import Tokens, called, is_pure, statements_of

_SYNONYMS = {"START": "BEGIN", "END": "COMMIT", "ABORT": "ROLLBACK"}
# The word behind which a statement names its table; "" is the verb itself.
_TABLE_BEHIND = {
    **dict.fromkeys(("INSERT", "MERGE"), "INTO"),
    **dict.fromkeys(("DELETE", "SELECT"), "FROM"),
    **dict.fromkeys(("UPDATE", "CALL", "COPY", "LOCK", "TRUNCATE", "ANALYZE", "VACUUM"), ""),
    **dict.fromkeys(("LISTEN", "NOTIFY", "UNLISTEN", "SAVEPOINT", "RELEASE", "SET", "SHOW"), ""),
}
_DEFINING = frozenset({"CREATE", "ALTER", "DROP"})
_NOISE = frozenset({"ONLY", "TABLE", "IF", "NOT", "EXISTS", "SAVEPOINT", "LOCAL", "SESSION", "LATERAL"})
_ADJECTIVES = frozenset({"TEMP", "TEMPORARY", "UNLOGGED", "UNIQUE", "OR", "REPLACE", "MATERIALIZED"})
_MAIN_VERBS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"})


@lru_cache(maxsize=4096)
def label_of_sql(sql: str) -> str:
    """`UPDATE jobs`, `COMMIT`, `CREATE TABLE jobs`, `SELECT defer_job`; several are joined by `; `.

    A name keeps its schema and loses its quotes. `EMPTY` when there is no statement.
    """
    labels = [_label_with_function(tokens) for tokens in statements_of(sql) if _words(tokens)]
    return "; ".join(labels[:8]) or "EMPTY"


def _label_with_function(tokens: Tokens) -> str:
    """Where no table is named, the first function that may do something says what the statement is."""
    label = _label(_words(tokens))
    if label != "SELECT":
        return label
    function = next((name for name in called(tokens) if not is_pure(name)), None)
    return label if function is None else f"{label} {function}"


def _words(tokens: Tokens) -> list[str]:
    """The names and brackets of a statement, in order."""
    return [
        re.sub(r"\s*\.\s*", ".", text) if kind == "name" else text
        for kind, text in tokens
        if kind == "name" or text in "()"
    ]


def _label(words: Sequence[str]) -> str:
    start = next((place for place, word in enumerate(words) if word not in "()"), len(words))
    words = words[start:]  # (SELECT …) UNION …
    if words and words[0].upper() == "WITH":
        outside = _outside_brackets(words)
        start = next((place for place in outside if words[place].upper() in _MAIN_VERBS), 0)
        words = words[start:]
    if not words:
        return "EMPTY"
    verb = _SYNONYMS.get(words[0].upper(), words[0].upper())
    if verb in _DEFINING:
        rest = [word for word in words[1:] if word.upper() not in _ADJECTIVES and word not in "()"]
        names = [word for word in rest[1:] if word.upper() not in _NOISE]
        return " ".join([verb, *(word.upper() for word in rest[:1]), *map(_plain, names[:1])])
    behind = _TABLE_BEHIND.get(verb)
    if behind is None:
        return verb
    name = _table_behind(words, behind) if behind else _next_name(words[1:])
    return f"{verb} {_plain(name)}" if name else verb


def _outside_brackets(words: Sequence[str]) -> list[int]:
    """The places of the words that stand in no brackets that were opened within `words`."""
    places, depth = [], 0
    for place, word in enumerate(words):
        if word == "(":
            depth += 1
        elif word == ")":
            depth = max(0, depth - 1)
        elif depth == 0:
            places.append(place)
    return places


def _table_behind(words: Sequence[str], behind: str) -> str | None:
    """The name behind the first `behind` outside of brackets; in `FROM (SELECT … FROM jobs)`, jobs."""
    for place in _outside_brackets(words):
        if words[place].upper() == behind:
            rest = words[place + 1 :]
            inner = list(rest[1:]) if rest[:1] == ["("] else None
            return _next_name(rest) if inner is None else _table_behind(inner, behind)
    return None


def _next_name(words: Sequence[str]) -> str | None:
    names = (word for word in words if word not in "()" and word.upper() not in _NOISE)
    return next(names, None)


def _plain(name: str) -> str:
    return ".".join(
        part[1:-1] if part.startswith('"') else part.lower() for part in re.findall(r'"[^"]+"|[^.]+', name)
    )
