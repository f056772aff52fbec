"""`unstuck replay`: runs a recorded run again, with the same case, seed and defences."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, cast, get_args

from unstuck import __version__
from unstuck.cli.carry_out import Order, carry_out, screen_of
from unstuck.cli.choosing import choose_target
from unstuck.cli.console import show
from unstuck.cli.inputs import reports_folder
from unstuck.cli.recorded import recorded_case
from unstuck.errors import ExitCode, UsageError, did_you_mean
from unstuck.rundir import RunFolder, open_run
from unstuck.worlds.port import WorldName

if TYPE_CHECKING:
    from unstuck.worlds.process.dependencies.s3 import EmulatorName


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Runs, reports in a new folder, and returns what it came to."""
    reports = reports_folder(chosen.reports)
    folder = open_run(chosen.run, reports=reports)
    case, plan = recorded_case(folder, allowed_hosts=chosen.allow_host)
    group = carry_out(
        Order(
            name="replay",
            cases=[case],
            reports=reports,
            seed=plan.seed,
            jobs=1,
            emulator=_emulator(folder, plan.emulator),
            world=_world(folder, plan.world),
            defences_off=plan.defences_off,
            target=choose_target(plan.target, plan.configuration, allowed_hosts=chosen.allow_host),
            follow_s=plan.follow_s,
        )
    )
    sheet = screen_of(group)
    if plan.version != __version__:
        sheet.line(f"note: recorded by Unstuck {plan.version}, replayed by {__version__}.")
    show(sheet)
    return group.exit_code


def _world(folder: RunFolder, name: str) -> WorldName:
    for one in get_args(WorldName):
        if name == one:
            return cast("WorldName", name)
    raise UsageError(f"{folder.plan}: world={name!r} is unknown.{did_you_mean(name, get_args(WorldName))}")


def _emulator(folder: RunFolder, name: str) -> EmulatorName:
    known: tuple[EmulatorName, ...] = ("ministack", "moto")
    for one in known:
        if name == one:
            return one
    raise UsageError(f"{folder.plan}: emulator={name!r} is unknown.{did_you_mean(name, known)}")
