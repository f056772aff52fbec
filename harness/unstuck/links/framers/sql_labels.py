"""What a SQL statement is called: its verb and its first table, `UPDATE jobs`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<string>[eE]?'(?:[^'\\]|''|\\.)*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
      | (?P<name>(?:"[^"]+"|[^\W\d]\w*)(?:\s*\.\s*(?:"[^"]+"|[^\W\d]\w*))*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_TOKENS_MAX = 2000
_SYNONYMS = {"START": "BEGIN", "END": "COMMIT", "ABORT": "ROLLBACK"}
# The word behind which a statement names its table; "" is the verb itself.
_TABLE_BEHIND = {
    **dict.fromkeys(("INSERT", "MERGE"), "INTO"),
    **dict.fromkeys(("DELETE", "SELECT"), "FROM"),
    **dict.fromkeys(("UPDATE", "COPY", "LOCK", "TRUNCATE", "ANALYZE", "VACUUM"), ""),
    **dict.fromkeys(("LISTEN", "NOTIFY", "UNLISTEN", "SAVEPOINT", "RELEASE", "SET", "SHOW"), ""),
}
_DEFINING = frozenset({"CREATE", "ALTER", "DROP"})
_NOISE = frozenset({"ONLY", "TABLE", "IF", "NOT", "EXISTS", "SAVEPOINT", "LOCAL", "SESSION", "LATERAL"})
_ADJECTIVES = frozenset({"TEMP", "TEMPORARY", "UNLOGGED", "UNIQUE", "OR", "REPLACE", "MATERIALIZED"})
_MAIN_VERBS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"})


@lru_cache(maxsize=4096)
def label_of_sql(sql: str) -> str:
    """`UPDATE jobs`, `COMMIT`, `CREATE TABLE jobs`; several statements are joined by `; `.

    A name keeps its schema and loses its quotes. `EMPTY` when there is no statement.
    """
    labels = [_label(words) for words in _statements(sql) if words]
    return "; ".join(labels[:8]) or "EMPTY"


def _statements(sql: str) -> list[list[str]]:
    """The names and brackets of each statement, in order."""
    statements: list[list[str]] = [[]]
    for count, token in enumerate(_TOKEN.finditer(sql)):
        if count > _TOKENS_MAX:
            break
        if token.lastgroup == "name":
            statements[-1].append(re.sub(r"\s*\.\s*", ".", token["name"]))
        elif token["other"] == ";":
            statements.append([])
        elif token["other"] and token["other"] in "()":
            statements[-1].append(token["other"])
    return statements


def _label(words: Sequence[str]) -> str:
    top = _without_brackets(words)
    if not top:  # (SELECT …) UNION …
        top = [word for word in words if word not in "()"]
    if not top:
        return "EMPTY"
    verb = top[0].upper()
    if verb == "WITH":
        start = next((i for i, word in enumerate(top) if word.upper() in _MAIN_VERBS), 0)
        top = top[start:]
        verb = top[0].upper()
    verb = _SYNONYMS.get(verb, verb)
    if verb in _DEFINING:
        rest = [word for word in top[1:] if word.upper() not in _ADJECTIVES]
        names = [word for word in rest[1:] if word.upper() not in _NOISE]
        return " ".join([verb, *(word.upper() for word in rest[:1]), *map(_plain, names[:1])])
    behind = _TABLE_BEHIND.get(verb)
    if behind is None:
        return verb
    # In brackets too, since `SELECT … FROM (SELECT … FROM jobs)` is about jobs.
    name = _table(top, behind) or (_table(words, behind) if behind else None)
    return f"{verb} {name}" if name else verb


def _without_brackets(words: Sequence[str]) -> list[str]:
    top, depth = [], 0
    for word in words:
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
        elif depth == 0:
            top.append(word)
    return top


def _table(words: Sequence[str], behind: str) -> str | None:
    start = 0
    if behind:
        start = next((i for i, word in enumerate(words) if word.upper() == behind), len(words))
    for word in words[start + 1 :]:
        if word in "()":
            if behind == "FROM":
                return None
            continue
        if word.upper() not in _NOISE:
            return _plain(word)
    return None


def _plain(name: str) -> str:
    return ".".join(
        part[1:-1] if part.startswith('"') else part.lower() for part in re.findall(r'"[^"]+"|[^.]+', name)
    )
