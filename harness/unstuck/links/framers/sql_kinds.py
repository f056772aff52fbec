"""What matters in a SQL statement: whether it writes, looks for work, reads, or keeps the session."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from unstuck.links.framers.sql_functions import Tokens, called, is_pure, statements_of
from unstuck.links.framers.wordlists import words
from unstuck.links.messages import Kind, weightiest

_SESSION = words(
    """
    BEGIN START ROLLBACK ABORT SAVEPOINT RELEASE SET SHOW RESET DISCARD DEALLOCATE PREPARE DECLARE CLOSE
    UNLISTEN LOAD LOCK CHECKPOINT
    """
)
_READ = words(
    """
    SELECT VALUES TABLE EXPLAIN FETCH MOVE
    """
)
_WRITE_WITHIN = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})  # of WITH, of EXPLAIN ANALYZE
_FETCHING = re.compile(r"(?:^|[._])(?:fetch|poll|pop|dequeue|claim|reserve|receive)(?:_|$)")
"""Functions by whose name queues look for work: procrastinate_fetch_job, pgmq.pop."""


@lru_cache(maxsize=4096)
def kind_of_sql(sql: str) -> Kind:
    """Of several statements the weightiest. What skips locked rows looks for work, and so does a function
    that is named for it; a SELECT of a function that is not known to be pure counts as writing."""
    return weightiest(_kind(statement) for statement in statements_of(sql) if statement)


def _kind(tokens: Tokens) -> Kind:
    names = [text.upper() for kind, text in tokens if kind == "name"]
    verb = names[0] if names else ""
    kind: Kind = "write"
    if not names or verb in _SESSION:
        kind = "session"
    elif verb == "LISTEN" or _skips_locked(names):
        kind = "poll"
    elif verb == "COPY":
        kind = "read" if next((n for n in reversed(names) if n in ("TO", "FROM")), "") == "TO" else "write"
    elif verb in _READ or verb == "WITH":
        writes = verb in ("WITH", "EXPLAIN") and any(name in _WRITE_WITHIN for name in names)
        kind = "write" if writes or _locks(names) else _by_functions(tokens)
    return kind


def _skips_locked(names: list[str]) -> bool:
    return any(pair == ("SKIP", "LOCKED") for pair in pairwise(names))


def _locks(names: list[str]) -> bool:
    """FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE."""
    after = [names[place + 1] for place, name in enumerate(names[:-1]) if name == "FOR"]
    return any(name in ("UPDATE", "NO", "SHARE", "KEY") for name in after)


def _by_functions(tokens: Tokens) -> Kind:
    functions = called(tokens)
    if any(_FETCHING.search(name) for name in functions):
        return "poll"
    return "read" if all(map(is_pure, functions)) else "write"
