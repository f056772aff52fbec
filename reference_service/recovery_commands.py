"""`find-stuck`, `retry-stuck`, `recovery`: what an operator asks of the recovery sweep, and reads of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reference_service import recovery_sweep
from reference_service.recovery_sweep import Summary, item_view, run_view, stuck_view, summary_view
from reference_service.service import Service
from reference_service.store import recovery_runs
from reference_service.store.recovery_runs import Decision, NotNow
from reference_service.store.stuck import Stuck
from reference_service.views import printable

Command = Callable[[Service], int]
STUCK = ("id", "name", "state", "age", "tenant")
RUNS = ("run", "trigger", "actor", "state", "started", "found", "triggered", "skipped", "failed")


def find_stuck(arguments: Sequence[str]) -> Command:
    """`find-stuck`: reads only. Exits with 2 for bad arguments."""
    parser = _parser("find-stuck", "Lists jobs that wait while nobody is about to run them. Changes nothing.")
    _add_age(parser)
    given = parser.parse_args(arguments)

    def command(service: Service) -> int:
        found = recovery_sweep.find(service, age_s=_seconds(given.age_minutes))
        if given.json:
            _say(json.dumps({"jobs": [stuck_view(one) for one in found]}))
        else:
            _say_stuck(found)
        return 0

    return command


def retry_stuck(arguments: Sequence[str]) -> Command:
    """`retry-stuck`: one run, on record as any other; 1 when it failed for a job, or may not begin."""
    parser = _parser("retry-stuck", "Sets stuck jobs going: one recovery run, with its record.")
    _add_age(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be looked at; write nothing")
    parser.add_argument("--job", metavar="ID", help="this job only")
    given = parser.parse_args(arguments)

    def command(service: Service) -> int:
        chosen: dict[str, Any] = {"age_s": _seconds(given.age_minutes), "job": given.job}
        if given.dry_run:
            summary = recovery_sweep.dry_run(service, **chosen)
        else:
            summary = recovery_sweep.run_once(service, trigger="cli", **chosen)
        if given.json:
            _say(json.dumps(summary_view(summary)))
        else:
            _say_summary(summary)
        return 1 if summary.of(Decision.FAILED) or summary.state != "done" else 0

    return _may_run("retry-stuck", command)


def recovery(arguments: Sequence[str]) -> Command:
    """`recovery runs|show|pause|resume|trigger`."""
    parser = _parser("recovery", "Looks at recovery runs, pauses and resumes them, begins one.")
    actions = parser.add_subparsers(dest="action", required=True)
    runs = actions.add_parser("runs", help="the last runs, the newest first")
    runs.add_argument("--limit", type=_count, default=20, metavar="N")
    show = actions.add_parser("show", help="one run, and what it did with each job")
    show.add_argument("run", type=int)
    actions.add_parser("pause", help="no run begins until it is resumed, whoever asks and whatever restarts")
    actions.add_parser("resume", help="take the pause away")
    actions.add_parser("trigger", help="one run, now")
    for each in actions.choices.values():
        each.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    act = {"runs": _runs, "show": _show, "pause": _pause, "resume": _resume, "trigger": _trigger}[
        given.action
    ]
    return _may_run("recovery", lambda service: act(service, given))


def _runs(service: Service, given: argparse.Namespace) -> int:
    control = recovery_runs.control(service.store)
    found = recovery_runs.runs(service.store, limit=given.limit)
    if given.json:
        paused = {"paused_at": control.paused_at, "paused_by": control.paused_by, "holder": control.holder}
        _say(json.dumps({**paused, "runs": [run_view(run) for run in found]}))
        return 0
    if control.paused_at is not None:
        _say(f"paused since {_moment(control.paused_at)} by {control.paused_by}")
    _say_runs(found)
    return 0


def _show(service: Service, given: argparse.Namespace) -> int:
    found = recovery_runs.run_and_items(service.store, given.run)
    if found is None:
        sys.stderr.write(f"recovery: run={given.run}: no such run; `recovery runs` lists them\n")
        return 1
    run, items = found
    if given.json:
        _say(json.dumps({"run": run_view(run), "items": [item_view(item) for item in items]}))
        return 0
    _say_runs([run])
    _say_items(items)
    return 0


def _pause(service: Service, given: argparse.Namespace) -> int:
    control = recovery_runs.pause(service.store, by=service.settings.instance)
    at = control.paused_at or control.now
    _say(json.dumps({"paused_at": at}) if given.json else f"paused since {_moment(at)}")
    return 0


def _resume(service: Service, given: argparse.Namespace) -> int:
    was = recovery_runs.resume(service.store)
    _say(json.dumps({"resumed": was}) if given.json else "resumed" if was else "it was not paused")
    return 0


def _trigger(service: Service, given: argparse.Namespace) -> int:
    summary = recovery_sweep.run_once(service, trigger="cli")
    if given.json:
        _say(json.dumps(summary_view(summary)))
    else:
        _say_summary(summary)
    return 1 if summary.of(Decision.FAILED) or summary.state != "done" else 0


def _may_run(name: str, command: Command) -> Command:
    def guarded(service: Service) -> int:
        try:
            return command(service)
        except NotNow as error:
            sys.stderr.write(f"{name}: {error}\n")
            return 1

    return guarded


def _parser(name: str, says: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m reference_service {name}", description=says)
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def _add_age(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--age-minutes", type=_minutes, metavar="N",
        help="created longer ago than this (default: REFERENCE_RECOVERY_STUCK_AFTER_S)",
    )  # fmt: skip


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r}: take a number from 0 to 1000000")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r}: take a number from 1 to 1000")
    return value


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else minutes * 60


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _say_stuck(found: Sequence[Stuck]) -> None:
    views = [stuck_view(one) for one in found]
    rows = [{**view, "age": _age(view["age_s"])} for view in views]
    _say_table(STUCK, rows)
    _say(f"{len(found)} stuck" if found else "nothing is stuck")


def _say_summary(summary: Summary) -> None:
    if summary.run is None:
        _say_stuck(summary.found)
        _say("a dry run: nothing was triggered")
        return
    _say_items(summary.items)
    skipped = ", ".join(f"{count} {reason}" for reason, count in summary.skipped.items())
    _say(
        f"run {summary.run} {summary.state}: found {len(summary.found)}"
        f" · triggered {len(summary.of(Decision.TRIGGERED))}"
        f" · skipped {len(summary.of(Decision.SKIPPED))}{f' ({skipped})' if skipped else ''}"
        f" · failed {len(summary.of(Decision.FAILED))}"
    )


def _say_runs(found: Sequence[recovery_runs.Run]) -> None:
    rows = [{**run_view(run), "run": run.id, "started": _moment(run.started_at)} for run in found]
    _say_table(RUNS, rows)


def _say_items(items: Sequence[recovery_runs.Item]) -> None:
    rows = [{**item_view(item), "age": _age(item.age_s), "reason": item.reason or ""} for item in items]
    _say_table(("job", "state", "age", "decision", "reason"), rows)


def _say_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Nothing at all for no rows."""
    if not rows:
        return
    cells = [[column.upper() for column in columns]]
    cells += [[printable(str(row[column])) for column in columns] for row in rows]
    widths = [max(len(line[number]) for line in cells) for number in range(len(columns))]
    for line in cells:
        _say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _age(age_s: float) -> str:
    minutes, seconds = divmod(int(age_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
