"""Ids of jobs that come from outside, and the calls into whose texts they are put."""

from __future__ import annotations

import re

from unstuck.targets.declared.file import Call, CommandCall, HttpCall, SqlCall
from unstuck.targets.declared.templates import OF_JOB

_PLAIN = re.compile(r"(?!-)(?!.*\.\.)[\w.:@+=,~-]+")
_NUMBER = re.compile(r"[0-9]+")
_PLACE = re.compile(r"\{" + OF_JOB + r"\}")
UNSAFE = "its id has characters that could act in the call"


def may_go_into(call: Call, job: str) -> bool:
    """False for an id that could do more there than name a job: a quote in SQL, `../` in a URL, a word that
    begins with `-` in a command. Whoever may choose ids in the running system must not choose our calls.

    Where SQL has it without quotes around, only a number goes in: `7--` would end the statement there, and
    `id` would be true of every row.
    """
    if not isinstance(call, SqlCall | HttpCall | CommandCall):
        return True  # handed over as a value of its own
    if isinstance(call, SqlCall) and _is_bare_in(call.statement):
        return _NUMBER.fullmatch(job) is not None
    return _PLAIN.fullmatch(job) is not None


def _is_bare_in(statement: str) -> bool:
    """Whether the id stands outside of quotes anywhere: an even number of them is before it."""
    *before, _ = _PLACE.split(statement)
    return any("".join(before[: nth + 1]).count("'") % 2 == 0 for nth in range(len(before)))
