"""The command line: arguments, screens and exit codes. What it does is done by the layers below."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. Never raises, never prints a traceback."""
    from unstuck.cli.entry import execute  # noqa: PLC0415  `--help` must stay cheap

    return execute(argv)
