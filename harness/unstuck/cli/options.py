"""The flags of each command, and the help that teaches them. Imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, get_args

from unstuck.cli import preflight_flags
from unstuck.cli.output import say
from unstuck.cli.values import one_of, seconds, whole
from unstuck.errors import UsageError, did_you_mean
from unstuck.worlds.port import WorldName

WORLDS: Final = get_args(WorldName)

EXIT_CODES: Final = """\
exit codes:
  0    pass: every fault landed, and every promise was kept
  1    fail: the service broke a promise
  2    usage: a flag, a file, the configuration or the target is at fault
  3    inconclusive: something did not happen that had to, so nothing is proved
  4    harness: Unstuck itself failed; says nothing about the service
  130  interrupted
Over many runs 1 beats 4 beats 2 beats 3 beats 0."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line by raising, and never leaves the program."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message if message.endswith((".", "?")) else f"{message}. See `{self.prog} --help`.")


class _Format(argparse.RawDescriptionHelpFormatter):
    """The same width everywhere, so that the examples and the flags line up."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=99)


class _HelpShown(Exception):  # noqa: N818  not an error
    pass


class _Help(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        say(parser.format_help())
        raise _HelpShown


def parse(name: str, words: Sequence[str]) -> argparse.Namespace | None:
    """The flags of one command; None when its help was asked for and printed. Raises `UsageError`."""
    command = COMMANDS[name]
    parser = _Parser(
        prog=f"unstuck {name}",
        description=command.summary,
        epilog=f"{command.more}\n\n{EXIT_CODES}".strip(),
        formatter_class=_Format,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action=_Help, nargs=0, help="show this and exit")
    command.declare(parser)
    try:
        chosen, unknown = parser.parse_known_intermixed_args(list(words))
    except _HelpShown:
        return None
    if unknown:
        word = unknown[0]
        if word.startswith("-"):
            flags = [flag for action in parser._actions for flag in action.option_strings]  # noqa: SLF001  the only way to list them
            raise UsageError(f"unknown flag {word.split('=')[0]!r}.{did_you_mean(word.split('=')[0], flags)}")
        raise UsageError(f"unexpected {word!r}. See `unstuck {name} --help`.")
    return chosen


def _reports(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reports",
        metavar="DIR",
        type=Path,
        help="where the folders of runs are (default: `reports` of [tool.unstuck], else reports/)",
    )


def _running(parser: argparse.ArgumentParser) -> None:
    _reports(parser)
    parser.add_argument("--seed", metavar="N", type=whole(0), help="of everything random (default: 1)")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=whole(1),
        help="runs side by side (default: three on two processors, at most 4)",
    )
    parser.add_argument(
        "--emulator",
        metavar="NAME",
        type=one_of("ministack", "moto"),
        default="ministack",
        help="what stands in for S3 and SQS: ministack (default) or moto",
    )


def _world(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--world",
        metavar="NAME",
        type=one_of(*WORLDS),
        default=WORLDS[0],
        help="where to run: processes (default), containers (needs Docker), or sim (virtual time)",
    )


def _files(parser: argparse.ArgumentParser, *, some: bool) -> None:
    parser.add_argument(
        "files",
        metavar="SCENARIO",
        nargs="+" if some else "*",
        help="a file, a folder of files, or the name of a bundled scenario (`unstuck scenarios list`)",
    )


def _cases(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--case",
        metavar="K=V[,K=V…]",
        action="append",
        default=[],
        help="this case instead of the base case; what is not said is as in the base case; repeatable",
    )


def _run(parser: argparse.ArgumentParser) -> None:
    _files(parser, some=True)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--pairwise", action="store_true", help="cases that cover every pair of values")
    which.add_argument("--all-cases", action="store_true", help="every case: the full product")
    _cases(parser)
    parser.add_argument(
        "--defence-off",
        metavar="NAME",
        action="append",
        default=[],
        help="weaken the reference service: a promise should break; repeatable",
    )
    parser.add_argument("--plan", action="store_true", help="say what would be done, and do nothing")
    _world(parser)
    _running(parser)


def _gate(parser: argparse.ArgumentParser) -> None:
    _files(parser, some=False)
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
    _running(parser)


def _prove(parser: argparse.ArgumentParser) -> None:
    _files(parser, some=False)
    parser.add_argument(
        "--defence", metavar="NAME", action="append", default=[], help="only this defence; repeatable"
    )
    _running(parser)


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", type=Path, help="folder of a run, its history.jsonl, or `latest`"
    )
    _reports(parser)


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs=2,
        type=Path,
        help="two runs, or two gates, the earlier one first: their folders, or `latest`",
    )
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    _reports(parser)


def _preflight(parser: argparse.ArgumentParser) -> None:
    preflight_flags.declare(parser)
    _reports(parser)


def _replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a run, or `latest`")
    _reports(parser)


def _scenarios(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="list|explain", nargs="?", type=one_of("list", "explain"), help="default: list"
    )
    _files(parser, some=False)
    _cases(parser)


def _nothing(_: argparse.ArgumentParser) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHelp:
    """One command: the module that acts, its flags, and what its help says."""

    module: str
    summary: str
    declare: Callable[[argparse.ArgumentParser], None]
    more: str = ""


COMMANDS: Final[Mapping[str, CommandHelp]] = {
    "run": CommandHelp(
        module="run",
        summary="Run scenarios against the service: the base case of each, or the cases that you choose.",
        declare=_run,
        more="""\
examples:
  unstuck run sigterm-mid-job              a bundled scenario, its base case
  unstuck run sigterm-mid-job --case stage=frames,grace_s=0
  unstuck run 'sigterm-mid-job[grace_s=0]' the same selection, as reports print it
  unstuck run mine.yaml --pairwise         a file of yours, a small set of its cases
  unstuck run missed-event --defence-off event_reconciliation
  unstuck run sigterm-mid-job --world containers
  unstuck run sigterm-mid-job --plan       what would be done; nothing is started""",
    ),
    "gate": CommandHelp(
        module="gate",
        summary="Run what the policy says, for every change: base cases and a pairwise set of each scenario.",
        declare=_gate,
        more="""\
policy, in pyproject.toml (all of it optional):
  [tool.unstuck]
  reports = "reports"
  baseline = "baseline.json"       # recovery times of earlier gates
  [tool.unstuck.gate]
  files = ["scenarios/*.yaml"]     # default: the bundled scenarios
  cases_max = 40
  time_budget_s = 120
  jobs = 2
  exclude = [{scenario = "memory-overrun", case = {alternative = "balloon"}, reason = "…"}]

What is excluded is printed and counted. The summary is appended to $GITHUB_STEP_SUMMARY if set.

examples:
  unstuck gate
  unstuck gate --junit out/junit.xml --summary out/summary.md
  unstuck gate sigterm-mid-job missed-event --cases-max 10
  unstuck gate --write-baseline baseline.json   five times or more; then commit the file
  unstuck gate --baseline baseline.json""",
    ),
    "prove": CommandHelp(
        module="prove",
        summary="Show that green means something: with a defence off, its scenario must fail as claimed.",
        declare=_prove,
        more="""\
examples:
  unstuck prove                          every defence that a bundled scenario guards
  unstuck prove --defence lease_recovery
Exit code 1: a defence was off and nothing noticed.""",
    ),
    "check": CommandHelp(
        module="check",
        summary="Judge a recorded run again, offline: nothing is started, only its history is read.",
        declare=_check,
        more="""\
examples:
  unstuck check latest
  unstuck check reports/20260301-101500-sigterm-mid-job-1a2b3c""",
    ),
    "compare": CommandHelp(
        module="compare",
        summary="Say what changed from one recorded run, or gate, to another: what got worse first.",
        declare=_compare,
        more="""\
examples:
  unstuck compare reports/20260301-101500-gate latest
  unstuck compare --json before latest     before and latest: folders, here or in reports/
Exit code 0: nothing got worse; 1: something did; 3: they have nothing in common to compare.""",
    ),
    "preflight": CommandHelp(
        module="preflight",
        summary="Hold deploy manifests against rules, with what a run has measured; nothing is started.",
        declare=_preflight,
        more="""\
examples:
  unstuck preflight docker-compose.yml Dockerfile
  unstuck preflight deploy/ --run latest          the longest stage and the peaks of a run
  unstuck preflight service.yaml --longest-stage-s 95 --peak-mib worker=480
  unstuck preflight cloudbuild.yaml --format sarif > preflight.sarif
  unstuck preflight --explain US003
Exit code 0: no error and no warning; 1: some; 2: a file that cannot be read. What a rule lacks is
told as not judged, and never passes in silence.""",
    ),
    "replay": CommandHelp(
        module="replay",
        summary="Run a recorded run again: the same file, case, seed and defences.",
        declare=_replay,
        more="""\
examples:
  unstuck replay latest
  unstuck replay reports/20260301-101500-sigterm-mid-job-1a2b3c""",
    ),
    "scenarios": CommandHelp(
        module="scenarios",
        summary="List the scenarios, or explain in words what one does and what it demands.",
        declare=_scenarios,
        more="""\
examples:
  unstuck scenarios list
  unstuck scenarios explain sigterm-mid-job
  unstuck scenarios explain sigterm-mid-job --case grace_s=0""",
    ),
    "version": CommandHelp(module="", summary="Print the version.", declare=_nothing),
}

OVERVIEW: Final = f"""\
Unstuck breaks a job-processing service on purpose, and judges what became of its jobs:
none lost, none stuck, no effect twice.

usage: unstuck COMMAND [FLAGS]

commands:
  run        run scenarios: the base case of each, or the cases that you choose
  gate       run what the policy in pyproject.toml says, for every change
  prove      switch each defence off, and show that its scenario notices
  check      judge a recorded run again, offline
  compare    say what changed from one recorded run, or gate, to another
  preflight  hold deploy manifests against rules; nothing is started
  replay     run a recorded run again: same case, same seed
  scenarios  list them, or explain one in words
  version    print the version

examples:
  unstuck scenarios list
  unstuck run sigterm-mid-job
  unstuck gate
  unstuck replay latest

`unstuck COMMAND --help` says more, with examples.

{EXIT_CODES}"""
