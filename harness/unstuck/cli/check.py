"""`unstuck check`: judges a recorded run again, from its history alone."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from unstuck import __version__
from unstuck.checks.story import Story, data_of
from unstuck.checks.verdict import RunVerdict, judge
from unstuck.cli.console import screen_width, show
from unstuck.cli.inputs import reports_folder
from unstuck.cli.recorded import recorded_or_bare
from unstuck.errors import ExitCode
from unstuck.history import read_history
from unstuck.report.group import RunLine
from unstuck.report.publish import summarise_run
from unstuck.report.text import run_sheet
from unstuck.rundir import RunFolder, open_run


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Reads, judges and prints; writes nothing."""
    folder = open_run(chosen.run, reports=reports_folder(chosen.reports))
    history = read_history(folder.history)
    verdict = judge(history)
    scenario, bare = recorded_or_bare(folder, dict(data_of(Story(history).run.start)))
    summary = summarise_run(folder, scenario, verdict)
    notes = [*summary.notes, *([bare] if bare else []), *_changed(folder, verdict)]
    if summary.version != __version__:
        notes.append(f"recorded by Unstuck {summary.version}, judged by {__version__}.")
    summary = replace(summary, notes=tuple(notes), title=scenario.title)
    show(
        run_sheet(
            RunLine(
                title=scenario.title,
                exit_code=verdict.exit_code,
                summary=summary,
                duration_s=_took_s(folder, 0.0 if summary.in_sim else summary.duration_s),
            ),
            width=screen_width(),
        )
    )
    return verdict.exit_code


def _took_s(folder: RunFolder, otherwise: float) -> float:
    """How long the run took by its own `verdict.json`, so that a run has one length."""
    try:
        took_s = json.loads(folder.verdict.read_text(encoding="utf-8"))["duration_s"]
    except (OSError, ValueError, KeyError, TypeError):
        return otherwise
    return float(took_s) if isinstance(took_s, int | float) else otherwise


def _changed(folder: RunFolder, verdict: RunVerdict) -> list[str]:
    """A word when the verdict of the run itself was another one."""
    try:
        written = json.loads(folder.verdict.read_text(encoding="utf-8"))
        before = written["exit_code"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if before == verdict.exit_code:
        return []
    return [f"{folder.verdict} says {written.get('verdict')} (exit code {before}); this check differs."]
