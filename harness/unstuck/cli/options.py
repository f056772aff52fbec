"""The flags of each command, and the help that teaches them. Imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from unstuck.cli import flags, stuck_flags, target_flags
from unstuck.cli.exit_codes import exit_codes
from unstuck.cli.explore_flags import explore_flags
from unstuck.cli.output import say
from unstuck.errors import UsageError, did_you_mean


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
        epilog=f"{command.more}\n\n{exit_codes(name)}".strip(),
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
            known = [flag for action in parser._actions for flag in action.option_strings]  # noqa: SLF001  the only way to list them
            raise UsageError(f"unknown flag {word.split('=')[0]!r}.{did_you_mean(word.split('=')[0], known)}")
        raise UsageError(f"unexpected {word!r}. See `unstuck {name} --help`.")
    return chosen


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
        declare=flags.run_flags,
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
        declare=flags.gate_flags,
        more="""\
policy, in pyproject.toml (all of it optional):
  [tool.unstuck]
  reports = "reports"
  baseline = "baseline.json"       # recovery times of earlier gates
  [tool.unstuck.gate]
  files = ["scenarios/*.yaml"]     # default: the bundled scenarios, without incidents
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
        declare=flags.prove_flags,
        more="""\
examples:
  unstuck prove                          every defence that a bundled scenario guards
  unstuck prove --defence lease_recovery""",
    ),
    "reproduce": CommandHelp(
        module="reproduce",
        summary="Let an incident happen again as on its day, and then with every defence on: side by side.",
        declare=flags.reproduce_flags,
        more="""\
examples:
  unstuck reproduce --list                           each incident, what it was, what to run
  unstuck reproduce deployment-resilience
  unstuck reproduce deployment-resilience --jobs 191 at the size that it had
  unstuck reproduce deployment-resilience --world sim
  unstuck reproduce mine.yaml                        a file of yours with `before:`""",
    ),
    "verify": CommandHelp(
        module="verify",
        summary="Say whether a version of the reference service may be deployed over another, with evidence.",
        declare=flags.verify_flags,
        more="""\
examples:
  unstuck verify                             from what was deployed last to this checkout
  unstuck verify --from v1.2 --to v1.3
  unstuck verify --from old.whl --to new.whl --json
  unstuck verify --database sqlite           without PostgreSQL: half a minute, not three""",
    ),
    "explore": CommandHelp(
        module="explore",
        summary="Strike a job at each message that matters, one trial each, and tabulate what became of it.",
        declare=explore_flags,
        more="""\
examples:
  unstuck explore --target unstuck.yaml --points
  unstuck explore --target celery-redis --points --modes kill --link 'worker.*'
  unstuck explore --target unstuck.yaml --points --save scenarios/found""",
    ),
    "check": CommandHelp(
        module="check",
        summary="Judge a recorded run again, offline: nothing is started, only its history is read.",
        declare=flags.check_flags,
        more="""\
examples:
  unstuck check latest
  unstuck check reports/20260301-101500-sigterm-mid-job-1a2b3c""",
    ),
    "compare": CommandHelp(
        module="compare",
        summary="Say what changed from one recorded run, or gate, to another: what got worse first.",
        declare=flags.compare_flags,
        more="""\
examples:
  unstuck compare reports/20260301-101500-gate latest
  unstuck compare --json before latest     before and latest: folders, here or in reports/""",
    ),
    "preflight": CommandHelp(
        module="preflight",
        summary="Hold deploy manifests against rules, with what a run has measured; nothing is started.",
        declare=flags.preflight_command_flags,
        more="""\
examples:
  unstuck preflight docker-compose.yml Dockerfile
  unstuck preflight deploy/ --run latest          the longest stage and the peaks of a run
  unstuck preflight service.yaml --longest-stage-s 95 --peak-mib worker=480
  unstuck preflight cloudbuild.yaml --format sarif > preflight.sarif
  unstuck preflight --explain US003""",
    ),
    "replay": CommandHelp(
        module="replay",
        summary="Run a recorded run again: the same file, case, seed and defences.",
        declare=flags.replay_flags,
        more="""\
examples:
  unstuck replay latest
  unstuck replay reports/20260301-101500-sigterm-mid-job-1a2b3c""",
    ),
    "proxy": CommandHelp(
        module="proxy",
        summary="Be a Toxiproxy: its HTTP API and its toxics, until Ctrl-C. Runs no scenario.",
        declare=flags.proxy_flags,
        more="""\
examples:
  unstuck proxy
  unstuck proxy --api 127.0.0.1:0 --config toxiproxy.json
Any client of Toxiproxy drives it.""",
    ),
    "scenarios": CommandHelp(
        module="scenarios",
        summary="List the scenarios, or explain in words what one does and what it demands.",
        declare=flags.scenarios_flags,
        more="""\
examples:
  unstuck scenarios list
  unstuck scenarios explain sigterm-mid-job
  unstuck scenarios explain sigterm-mid-job --case grace_s=0""",
    ),
    "targets": CommandHelp(
        module="targets",
        summary="List the targets that come ready-made, their configurations, and what to install for them.",
        declare=flags.nothing_flags,
        more="""\
examples:
  unstuck targets
  unstuck run worker-killed --target rq
  unstuck run worker-killed --target rq --configuration reliable""",
    ),
    "init": CommandHelp(
        module="init",
        summary="Write a target file for a project, from what it shows: `unstuck doctor` says what it lacks.",
        declare=target_flags.declare_init,
        more=target_flags.INIT_MORE,
    ),
    "doctor": CommandHelp(
        module="doctor",
        summary="Try a target step by step: it starts, a job goes through, what is seen, what to mend.",
        declare=target_flags.declare_doctor,
        more=target_flags.DOCTOR_MORE,
    ),
    "find-stuck": CommandHelp(
        module="find_stuck",
        summary="List the jobs of a running system that are stuck: not ended, and nobody at work on them.",
        declare=stuck_flags.declare_find,
        more=stuck_flags.FIND_MORE,
    ),
    "retry-stuck": CommandHelp(
        module="retry_stuck",
        summary="Ask a running system to take up its stuck jobs again, by the rescue of its target file.",
        declare=stuck_flags.declare_retry,
        more=stuck_flags.RETRY_MORE,
    ),
    "version": CommandHelp(module="", summary="Print the version.", declare=flags.nothing_flags),
}

OVERVIEW: Final = f"""\
Unstuck breaks a job-processing service on purpose, and judges what became of its jobs:
none lost, none stuck, no effect twice.

usage: unstuck COMMAND [FLAGS]

commands:
  run          run scenarios: the base case of each, or the cases that you choose
  gate         run what the policy in pyproject.toml says, for every change
  prove        switch each defence off, and show that its scenario notices
  reproduce    let an incident happen again, without its defences and with them
  verify       may one version of the reference service be deployed over another? a checklist
  explore      strike one job at each message that matters, and tabulate what became of it
  check        judge a recorded run again, offline
  compare      say what changed from one recorded run, or gate, to another
  preflight    hold deploy manifests against rules; nothing is started
  replay       run a recorded run again: same case, same seed
  proxy        be a Toxiproxy: its HTTP API and its toxics
  scenarios    list them, or explain one in words
  targets      list those that come ready-made
  init         write a target file for a service of your own
  doctor       try a target step by step, and say what to mend
  find-stuck   list the stuck jobs of a system that is running; changes nothing
  retry-stuck  ask that system to take them up again
  version      print the version

examples:
  unstuck scenarios list
  unstuck run sigterm-mid-job
  unstuck gate
  unstuck replay latest

`unstuck COMMAND --help` says more, with examples.

{exit_codes()}"""
