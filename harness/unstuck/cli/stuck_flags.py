"""The flags of `find-stuck` and `retry-stuck`, and what their help says. Imports nothing heavy."""

from __future__ import annotations

import argparse
from typing import Final

from unstuck.cli.target_flags import declare_target
from unstuck.cli.values import minutes
from unstuck.errors import UsageError

AGE_MINUTES: Final = 10.0


def declare_find(parser: argparse.ArgumentParser) -> None:
    """Of `unstuck find-stuck`."""
    declare_target(parser)
    parser.add_argument(
        "--at",
        metavar="NAME=ADDRESS",
        action="append",
        default=[],
        help="where a dependency or role of the running system is: host:port or a URL; repeatable (default: "
        "`running` of the target file, else the variable that it gives its roles)",
    )
    parser.add_argument(
        "--age-minutes",
        metavar="N",
        type=minutes,
        default=AGE_MINUTES,
        help=f"without a sign of life for so long (default: {AGE_MINUTES:g}); 0: each that has not ended",
    )
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def declare_retry(parser: argparse.ArgumentParser) -> None:
    """Of `unstuck retry-stuck`."""
    declare_find(parser)
    parser.add_argument(
        "--job",
        metavar="ID",
        action="append",
        default=[],
        help="only this one, also when nobody says whether it is being processed; repeatable",
    )
    parser.add_argument("--yes", action="store_true", help="do it; without this nothing is changed")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done (the default)")


def addresses(words: list[str]) -> dict[str, str]:
    """`--at` as a mapping. Raises `UsageError`."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, address = word.partition("=")
        if not (name and equals and address):
            raise UsageError(f"--at {word!r}: say which and where: --at broker=redis://127.0.0.1:6379/0.")
        found[name] = address
    return found


FIND_MORE = """\
examples:
  unstuck find-stuck                       of the project's unstuck.yaml, where its variables say
  unstuck find-stuck --target rq --at broker=redis://127.0.0.1:6379/0 --age-minutes 30
  unstuck find-stuck --target reference --json"""

RETRY_MORE = """\
examples:
  unstuck retry-stuck                      what would be done; changes nothing
  unstuck retry-stuck --yes                each stuck job, oldest first, looked at right before
  unstuck retry-stuck --job order-17 --yes --json"""
