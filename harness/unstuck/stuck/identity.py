"""Ids of jobs that come from outside, and the calls into whose texts they are put."""

from __future__ import annotations

import re

from unstuck.targets.declared.file import Call, CommandCall, HttpCall, SqlCall

_PLAIN = re.compile(r"(?!-)(?!.*\.\.)[\w.:@+=,~-]+")
UNSAFE = "its id has characters that could act in the call"


def may_go_into(call: Call, job: str) -> bool:
    """False for an id that could do more there than name a job: a quote in SQL, `../` in a URL, a word that
    begins with `-` in a command. Whoever may choose ids in the running system must not choose our calls."""
    if not isinstance(call, SqlCall | HttpCall | CommandCall):
        return True  # handed over as a value of its own
    return _PLAIN.fullmatch(job) is not None
