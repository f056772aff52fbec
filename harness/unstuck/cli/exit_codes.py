"""What the exit code of each command means: one table a command, for its help. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_OF_RUNS: Final[Mapping[int, str]] = {
    0: "pass: every fault landed, and every promise was kept",
    1: "fail: the service broke a promise",
    2: "usage: a flag, a file, the configuration or the target is at fault",
    3: "inconclusive: something did not happen that had to, so nothing is proved",
    4: "harness: Unstuck itself failed; says nothing about the service",
    130: "interrupted",
}
_MANY: Final = "Over many runs 1 beats 4 beats 2 beats 3 beats 0."
_ANYWAY: Final = (2, 4, 130)  # what may happen to every command
_DONE: Final[Mapping[int, str]] = {0: "done"}
_OWN: Final[Mapping[str, Mapping[int, str]]] = {
    "prove": {
        0: "each defence that was off was noticed as claimed, and each falsified history",
        1: "one of them went unnoticed, or a run with every defence on failed",
        3: "something did not happen that had to, so nothing is proved",
    },
    "reproduce": {
        0: "it happened without the defences, and with them every promise was kept",
        1: "a promise was broken with every defence on",
        3: "it did not happen again, so that the green run proves nothing",
    },
    "verify": {
        0: "nothing speaks against the deploy; what cannot be done is told",
        1: "something broke",
        3: "something did not happen that had to",
    },
    "explore": {
        0: "every trial landed, and every promise was kept",
        1: "a promise was broken",
        3: "something was not covered, and is listed with the reason",
    },
    "compare": {
        0: "nothing got worse",
        1: "something did",
        3: "they have nothing in common to compare",
    },
    "preflight": {
        0: "no error and no warning; what a rule lacks is told as not judged, and is none",
        1: "an error or a warning",
        2: "usage: a flag, or a file that cannot be read",
    },
    "find-stuck": {
        0: "no job is stuck",
        1: "some are",
        2: "usage; or the target cannot list its jobs, or cannot be reached",
    },
    "retry-stuck": {
        0: "each stuck job was triggered, or skipped with a reason",
        1: "some failed",
        2: "usage; or the target cannot list its jobs, has no `rescue`, or cannot be reached",
    },
    "doctor": {0: "ready for a run", 2: "something has to be mended, and is named"},
    "proxy": {130: "Ctrl-C, its only end"},
    "scenarios": _DONE,
    "targets": _DONE,
    "init": _DONE,
    "version": _DONE,
}


def exit_codes(command: str | None = None) -> str:
    """The table for a command's help, or the one of commands that run scenarios."""
    own = _OWN.get(command or "")
    if own is None:
        return "\n".join(["exit codes:", *_rows(_OF_RUNS), _MANY])
    codes = {**{code: _OF_RUNS[code] for code in _ANYWAY}, **own}
    return "\n".join(["exit codes:", *_rows(dict(sorted(codes.items())))])


def _rows(codes: Mapping[int, str]) -> list[str]:
    return [f"  {code:<4} {what}" for code, what in codes.items()]
