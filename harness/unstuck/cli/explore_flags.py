"""The flags of `unstuck explore`. Imports nothing heavy."""

from __future__ import annotations

import argparse
from pathlib import Path

from unstuck.cli.flags import running_flags
from unstuck.cli.target_flags import declare_target
from unstuck.cli.values import seconds


def explore_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--points", action="store_true", help="crash points: today the only way to explore")
    parser.add_argument(
        "--modes",
        metavar="MODE[,MODE…]",
        default="kill,pause",
        help="what to do to who sends a message or awaits its reply: kill, pause, cut (default: kill,pause)",
    )
    parser.add_argument("--link", metavar="GLOB", help="only messages on these links, such as 'worker.*'")
    parser.add_argument(
        "--save", metavar="DIR", type=Path, help="write a scenario file for each trial that breaks a promise"
    )
    parser.add_argument(
        "--budget-s",
        metavar="SECONDS",
        type=seconds,
        help="recovery budget of a trial (default: a little more than the declared lease, else 5)",
    )
    parser.add_argument(
        "--pause-s",
        metavar="SECONDS",
        type=seconds,
        help="how long a pause lasts (default: a little more than the declared lease, else 3)",
    )
    parser.add_argument(
        "--setting",
        metavar="K=V[,K=V…]",
        action="append",
        default=[],
        help="a setting of the target for every run, such as a short lease; repeatable",
    )
    parser.add_argument(
        "--defence-off", metavar="NAME", action="append", default=[], help="weaken the target; repeatable"
    )
    parser.add_argument(
        "--test-points",
        action="store_true",
        help="strike at the target's test points as well; a ledger's are job.begin, job.end and job.ended",
    )
    parser.add_argument("--plan", action="store_true", help="say what would be done, and do nothing")
    declare_target(parser)
    running_flags(parser)
