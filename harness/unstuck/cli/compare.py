"""`unstuck compare`: what changed from one recorded run, or group of runs, to another."""

from __future__ import annotations

import argparse
import json

from unstuck.cli.console import screen_width, show
from unstuck.cli.inputs import reports_folder
from unstuck.cli.output import say
from unstuck.compare.differences import compare
from unstuck.compare.recorded import Recording, read_recording
from unstuck.compare.screen import change_data, change_sheet
from unstuck.errors import ExitCode, UsageError
from unstuck.report.publish import shown


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Reads and prints; writes nothing. 1 when something got worse, 3 when there is nothing to compare."""
    reports = reports_folder(chosen.reports)
    before, after = (read_recording(path, reports=reports) for path in chosen.runs)
    if before.is_group is not after.is_group:
        raise UsageError(f"{_kind(before)}, and {_kind(after)}. Give two runs, or two groups of runs.")
    change = compare(before, after)
    names = shown(before.folder), shown(after.folder)
    if chosen.json:
        say(json.dumps(change_data(change, names), indent=1, ensure_ascii=False) + "\n")
    else:
        show(change_sheet(change, names, width=screen_width()))
    if change.why_not is not None:
        return ExitCode.INCONCLUSIVE
    return ExitCode.FAIL if change.worse else ExitCode.PASS


def _kind(recording: Recording) -> str:
    what = "a group of runs" if recording.is_group else "a single run"
    return f"{shown(recording.folder)} is {what}"
