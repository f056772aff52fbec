"""From the words of a command line to one command, and from whatever it raises to an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from unstuck import __version__
from unstuck.cli import options
from unstuck.cli.output import complain, say, stand_in
from unstuck.errors import ExitCode, UnstuckError, UsageError, did_you_mean

if TYPE_CHECKING:
    import argparse


class Command(Protocol):
    """A module of `unstuck.cli` that acts; it is imported only when its command was chosen."""

    def execute(self, chosen: argparse.Namespace) -> ExitCode: ...


def execute(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. Never raises, never prints a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = words[0] if words else ""
    where = f"unstuck {name}" if name in options.COMMANDS else "unstuck"
    chosen: list[argparse.Namespace] = []
    try:
        stand_in()
        return _dispatch(name, words[1:], chosen)
    except UnstuckError as error:
        complain(f"{where}: {_one_line(str(error))}")
        return error.exit_code
    except KeyboardInterrupt:
        complain(f"{where}: interrupted.")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last line of defence: a bug is told, not thrown
        reports = Path(
            next((flags.reports for flags in chosen if getattr(flags, "reports", None)), "reports")
        )
        complain(f"{where}: {_bug(error, reports)}")
        return ExitCode.HARNESS


def _dispatch(name: str, rest: list[str], seen: list[argparse.Namespace]) -> ExitCode:
    """`seen` gets the flags once they are parsed, for whoever has to tell of a bug later."""
    if name in ("", "-h", "--help", "help"):
        return _help(rest)
    if name in ("-V", "--version"):
        name = "version"
    if name not in options.COMMANDS:
        kind = "unknown flag" if name.startswith("-") else "unknown command"
        raise UsageError(f"{kind} {name!r}.{did_you_mean(name, [*options.COMMANDS, '--help', '--version'])}")
    chosen = options.parse(name, rest)
    if chosen is None:  # `--help` was printed
        return ExitCode.PASS
    seen.append(chosen)
    if name == "version":
        say(f"unstuck {__version__}\n")
        return ExitCode.PASS
    command: Command = importlib.import_module(f"unstuck.cli.{options.COMMANDS[name].module}")
    return command.execute(chosen)


def _help(words: list[str]) -> ExitCode:
    if words and words[0] in options.COMMANDS:
        options.parse(words[0], ["--help"])
    elif words:
        raise UsageError(f"unknown command {words[0]!r}.{did_you_mean(words[0], options.COMMANDS)}")
    else:
        say(f"{options.OVERVIEW}\n")
    return ExitCode.PASS


def _bug(error: Exception, reports: Path) -> str:
    import traceback  # noqa: PLC0415  only when something went wrong

    from unstuck import clock  # noqa: PLC0415  same

    what = f"{type(error).__name__}: {_one_line(str(error))}" if str(error) else type(error).__name__
    kept = reports / f"bug-{clock.utc_date():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    try:
        reports.mkdir(parents=True, exist_ok=True)
        text = "".join(traceback.format_exception(error))
        kept.write_text(f"unstuck {__version__}, Python {sys.version}\n\n{text}", encoding="utf-8")
        trace = f"The trace is in {kept}."
    except OSError as trouble:
        trace = f"The trace could not be kept in {reports}/ ({trouble.strerror})."
    return f"{what}. This is a bug of Unstuck, not of your service. {trace}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
