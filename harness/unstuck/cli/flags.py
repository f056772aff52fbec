"""The flags of each command, and the parsers of their values. Imports nothing heavy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, get_args

from unstuck.cli import preflight_flags, target_flags
from unstuck.cli.values import one_of, seconds, whole
from unstuck.worlds.port import WorldName

WORLDS: Final = get_args(WorldName)


def reports_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reports",
        metavar="DIR",
        type=Path,
        help="where the folders of runs are (default: `reports` of [tool.unstuck], else reports/)",
    )


def running_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=whole(1),
        help="runs side by side (default: two a processor, at most 4)",
    )
    place_flags(parser)


def place_flags(parser: argparse.ArgumentParser) -> None:
    reports_flags(parser)
    parser.add_argument("--seed", metavar="N", type=whole(0), help="of everything random (default: 1)")
    parser.add_argument(
        "--emulator",
        metavar="NAME",
        type=one_of("ministack", "moto"),
        default="ministack",
        help="what stands in for S3 and SQS: ministack (default) or moto",
    )


def world_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--world",
        metavar="NAME",
        type=one_of(*WORLDS),
        default=WORLDS[0],
        help="where to run: processes (default), containers (needs Docker), or sim (virtual time)",
    )


def files_flags(parser: argparse.ArgumentParser, *, some: bool) -> None:
    parser.add_argument(
        "files",
        metavar="SCENARIO",
        nargs="+" if some else "*",
        help="a file, a folder of files, or the name of a bundled scenario (`unstuck scenarios list`)",
    )


def cases_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--case",
        metavar="K=V[,K=V…]",
        action="append",
        default=[],
        help="this case instead of the base case; what is not said is as in the base case; repeatable",
    )


def run_flags(parser: argparse.ArgumentParser) -> None:
    files_flags(parser, some=True)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--pairwise", action="store_true", help="cases that cover every pair of values")
    which.add_argument("--all-cases", action="store_true", help="every case: the full product")
    cases_flags(parser)
    parser.add_argument(
        "--defence-off",
        metavar="NAME",
        action="append",
        default=[],
        help="weaken the reference service: a promise should break; repeatable",
    )
    parser.add_argument("--plan", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument(
        "--follow",
        metavar="SECONDS",
        type=seconds,
        help="look on so long after the recovery budget: jobs that end then are still stuck, but it is told",
    )
    target_flags.declare_target(parser)
    world_flags(parser)
    running_flags(parser)


def gate_flags(parser: argparse.ArgumentParser) -> None:
    files_flags(parser, some=False)
    parser.add_argument(
        "--policy",
        metavar="FILE",
        type=Path,
        help="a TOML file with [tool.unstuck.gate] (default: pyproject.toml here or above)",
    )
    parser.add_argument("--cases-max", metavar="N", type=whole(1), help="at most so many runs (default: 40)")
    parser.add_argument(
        "--time-budget", metavar="SECONDS", type=seconds, help="begin no run after so long (default: none)"
    )
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write JUnit XML here as well")
    parser.add_argument(
        "--summary", metavar="FILE", type=Path, help="write the Markdown summary here as well"
    )
    parser.add_argument(
        "--baseline",
        metavar="FILE",
        type=Path,
        help="fail when a recovery is twice as slow as FILE says (default: `baseline` of [tool.unstuck])",
    )
    parser.add_argument(
        "--write-baseline",
        metavar="FILE",
        type=Path,
        help="add this gate's recovery times to FILE, and hold them against nothing",
    )
    parser.add_argument("--plan", action="store_true", help="say what would be done, and do nothing")
    target_flags.declare_target(parser)
    running_flags(parser)


def prove_flags(parser: argparse.ArgumentParser) -> None:
    files_flags(parser, some=False)
    parser.add_argument(
        "--defence", metavar="NAME", action="append", default=[], help="only this defence; repeatable"
    )
    target_flags.declare_target(parser)
    running_flags(parser)


def reproduce_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="an incident, or a scenario that says what was missing on its day (default: list them)",
    )
    parser.add_argument("--list", action="store_true", help="what happened in each incident, and what to run")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=whole(1),
        help="so many jobs instead of the scenario's; the two runs then come one after the other",
    )
    parser.add_argument("--json", action="store_true", help="the result for programs, instead of the screen")
    target_flags.declare_target(parser)
    world_flags(parser)
    place_flags(parser)


def verify_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="old",
        metavar="OLD",
        help="the version that is deployed: a commit, a tag or a wheel (default: the newest tag before this "
        "checkout; without one where this branch left main, or the commit before)",
    )
    parser.add_argument(
        "--to",
        dest="new",
        metavar="NEW",
        help="the version that is to be deployed: the same (default: this checkout)",
    )
    parser.add_argument(
        "--database", type=one_of("postgresql", "sqlite"), help="on this one only (default: on both)"
    )
    parser.add_argument(
        "--json", action="store_true", help="the checklist for programs, instead of the screen"
    )
    place_flags(parser)


def check_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", type=Path, help="folder of a run, its history.jsonl, or `latest`"
    )
    reports_flags(parser)


def compare_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs=2,
        type=Path,
        help="two runs, or two gates, the earlier one first: their folders, or `latest`",
    )
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    reports_flags(parser)


def replay_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a run, or `latest`")
    target_flags.declare_hosts(parser)
    reports_flags(parser)


def scenarios_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="list|explain", nargs="?", type=one_of("list", "explain"), help="default: list"
    )
    files_flags(parser, some=False)
    cases_flags(parser)
    target_flags.declare_target(parser)


def preflight_command_flags(parser: argparse.ArgumentParser) -> None:
    preflight_flags.declare(parser)
    reports_flags(parser)


def proxy_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--api",
        metavar="HOST:PORT",
        default="127.0.0.1:8474",
        help="where Toxiproxy's HTTP API listens (default: 127.0.0.1:8474; port 0: a free one)",
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="proxies to begin with: a JSON list, as toxiproxy.json"
    )
    parser.add_argument(
        "--allow-remote", action="store_true", help="let the API and proxies listen off the loopback"
    )
    parser.add_argument("--proxy-metrics", action="store_true", help="serve GET /metrics: bytes by proxy")
    parser.add_argument(
        "--seed", metavar="N", type=whole(0), default=1, help="of jitter, pieces and toxicity (default: 1)"
    )


def nothing_flags(_: argparse.ArgumentParser) -> None:
    pass
