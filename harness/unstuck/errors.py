"""Every error that Unstuck raises on purpose, each with the exit code that it leads to.

An error's text is one line: where, `field=value!r`, the rule, and the next step. Anything that
reaches the command line and is not an `UnstuckError` is a bug of ours: a harness error (exit 4).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command tells its caller. Over many scenarios 1 beats 4 beats 3 beats 0."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    INCONCLUSIVE = 3
    HARNESS = 4
    INTERRUPTED = 130


class UnstuckError(Exception):
    """Base of all; `exit_code` says how a command that meets it ends."""

    exit_code: ExitCode = ExitCode.HARNESS


class UsageError(UnstuckError):
    """The user's input (file, flag, target, environment) is at fault, and the text says where."""

    exit_code = ExitCode.USAGE


class ScenarioError(UsageError):
    """A scenario file is at fault: `path:line: field=value rule. Next step.`"""


class CapabilityError(UsageError):
    """A scenario asks for what the chosen world or target cannot do."""


class TargetError(UsageError):
    """The system under test does not start, dies at once, or never gets ready."""


class HarnessError(UnstuckError):
    """Unstuck itself failed; never reported as a failure of the service."""

    exit_code = ExitCode.HARNESS


class Interrupted(UnstuckError):  # noqa: N818  somebody's wish, not an error
    """Whoever started it asked it to stop; nothing is wrong."""

    exit_code = ExitCode.INTERRUPTED


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` when something known is close to `value`, else the known names.

    Starts with a space, so that it can be appended to a sentence. Never raises.
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(value, names, n=1, cutoff=0.6)
    if not close:  # 'SIGTREM' against 'SIGTERM' is found above; 'sigterm' only without case
        lowered = {name.lower(): name for name in names}
        close = [
            lowered[name] for name in difflib.get_close_matches(value.lower(), list(lowered), n=1, cutoff=0.6)
        ]
    if close:
        return f" Did you mean {close[0]!r}?"
    if not names:
        return ""
    return f" Known: {', '.join(names)}."
