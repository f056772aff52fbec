"""`unstuck replay`: runs a recorded run again, with the same case, seed and defences."""

from __future__ import annotations

import argparse

from unstuck import __version__
from unstuck.cli.carry_out import Order, carry_out, screen_of
from unstuck.cli.console import show
from unstuck.cli.inputs import reports_folder
from unstuck.cli.recorded import recorded_case
from unstuck.errors import ExitCode
from unstuck.rundir import open_run


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Runs, reports in a new folder, and returns what it came to."""
    reports = reports_folder(chosen.reports)
    case, plan = recorded_case(open_run(chosen.run, reports=reports))
    group = carry_out(
        Order(
            name="replay",
            cases=[case],
            reports=reports,
            seed=plan.seed,
            jobs=1,
            emulator=plan.emulator,
            defences_off=plan.defences_off,
        )
    )
    sheet = screen_of(group)
    if plan.version != __version__:
        sheet.line(f"note: recorded by Unstuck {plan.version}, replayed by {__version__}.")
    show(sheet)
    return group.exit_code
