"""The flags of commands that are about a target of one's own, and what their help says."""

from __future__ import annotations

import argparse
from pathlib import Path


def declare_target(parser: argparse.ArgumentParser) -> None:
    """Which target, in which configuration, and what off this machine it may reach."""
    parser.add_argument(
        "--target",
        metavar="TARGET",
        help="a target file, a ready-made target (`unstuck targets`), or `reference` (default: the "
        "project's unstuck.yaml or [tool.unstuck], else the bundled reference service)",
    )
    parser.add_argument(
        "--configuration", metavar="NAME", help="one of the configurations that the target file declares"
    )
    declare_hosts(parser)


def declare_hosts(parser: argparse.ArgumentParser) -> None:
    """What off this machine a target may reach: only what its file names as well."""
    parser.add_argument(
        "--allow-host",
        metavar="HOST",
        action="append",
        default=[],
        help="let the target reach this host off this machine, if its file names it, too; repeatable",
    )


def declare_doctor(parser: argparse.ArgumentParser) -> None:
    """Of `unstuck doctor`."""
    declare_target(parser)
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument(
        "--logs", metavar="DIR", type=Path, help="keep what the processes wrote here (default: not at all)"
    )


def declare_init(parser: argparse.ArgumentParser) -> None:
    """Of `unstuck init`."""
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        type=Path,
        default=Path(),
        help="the project's folder, or the file to write (default: unstuck.yaml here)",
    )
    parser.add_argument(
        "--from",
        metavar="SYSTEM",
        dest="system",
        help="the job system to begin from (`unstuck init --list`; default: what the project shows, or asks)",
    )
    parser.add_argument("--force", action="store_true", help="write over files that are there")
    parser.add_argument("--list", action="store_true", help="list the systems, and write nothing")


DOCTOR_MORE = """\
examples:
  unstuck doctor                           the project's unstuck.yaml
  unstuck doctor --target celery-redis --configuration reliable
  unstuck doctor --json"""

INIT_MORE = """\
examples:
  unstuck init                             looks at the project here, and says what it found
  unstuck init --from celery-redis path/to/project
  unstuck init --from rq --force
Then: unstuck doctor"""
