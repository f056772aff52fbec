"""The command line: arguments, screens and exit codes. What it does is done by the layers below."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. Never raises, never prints a traceback."""
    from unstuck.cli.entry import execute  # noqa: PLC0415  `--help` must stay cheap

    return execute(argv)


class CtrlC(KeyboardInterrupt):
    """What Ctrl-C raises in our program.

    Python remembers a plain KeyboardInterrupt that leaves an `exec` of text, and kills itself with
    SIGINT at its end, although it was caught long ago. Dataclasses are made by such an `exec`, so:
    1. `unstuck run` imports, 2. SIGINT comes while a dataclass is made, 3. `execute` catches it and
    returns 130, 4. the process dies of signal 2. Python compares the type itself: a subclass is not
    remembered.
    """


def program() -> NoReturn:
    """The command `unstuck`: `main`, and the end of the process with its exit code and nothing else.

    From here on Ctrl-C leads to 130; while Python itself starts (20 ms) it still kills by signal.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        try:
            code = main()
        finally:
            # The verdict is told, and the interpreter takes its modules down for up to half a second, in
            # the midst of which it puts SIGINT back to its default.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = 130
    sys.exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise CtrlC
