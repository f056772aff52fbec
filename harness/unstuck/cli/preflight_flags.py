"""The flags of `unstuck preflight`. Imports nothing heavy."""

from __future__ import annotations

import argparse
from pathlib import Path

from unstuck.cli.values import one_of, peak_mib, seconds


def declare(parser: argparse.ArgumentParser) -> None:
    """Adds them to a parser; `--reports` is added by who has it for every command."""
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="manifests, or a folder that holds some (not below it)"
    )
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        type=one_of("text", "json", "sarif"),
        default="text",
        help="text (default), json, or sarif (for code hosts)",
    )
    parser.add_argument(
        "--run",
        metavar="RUN",
        type=Path,
        help="measured values from a run or a gate (not of the sim): its folder, or `latest`",
    )
    parser.add_argument("--longest-stage-s", metavar="SECONDS", type=seconds, help="instead of what RUN has")
    parser.add_argument(
        "--drain-s", metavar="SECONDS", type=seconds, help="the same, from SIGTERM to the exit"
    )
    parser.add_argument(
        "--peak-mib",
        metavar="[ROLE=]MIB",
        type=peak_mib,
        action="append",
        default=[],
        help="the same, the peak of memory, of one role or of all; repeatable",
    )
    parser.add_argument("--list", action="store_true", help="the rules and the formats")
    parser.add_argument(
        "--explain", metavar="RULE", help="one rule: why, what to do, a bad and a good example"
    )
