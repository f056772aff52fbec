"""`unstuck run`: scenarios, their base cases or the chosen ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from unstuck.cli.carry_out import Order, carry_out, screen_of
from unstuck.cli.choosing import choose_target
from unstuck.cli.console import show
from unstuck.cli.explaining import plan_sheet
from unstuck.cli.inputs import (
    SEED,
    check_defences,
    choose_cases,
    find_scenarios,
    jobs_by_default,
    load_all,
    parse_selections,
    reports_folder,
)
from unstuck.errors import ExitCode
from unstuck.scenario import Scenario


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Runs, reports, and returns what it came to."""
    target = choose_target(chosen.target, chosen.configuration, allowed_hosts=chosen.allow_host)
    catalogue = target.catalogue()
    defences_off = check_defences(chosen.defence_off, catalogue)
    selections = parse_selections(chosen.case)
    named = find_scenarios(chosen.files, known=target.scenarios())
    files = load_all(named, catalogue)
    cases: list[Scenario] = []
    for one in named:
        wanted = selections or ([one.selection] if one.selection else [])
        cases += choose_cases(files[one.path], wanted, pairwise=chosen.pairwise, everything=chosen.all_cases)
    if chosen.plan:
        show(plan_sheet(_once(cases), target=target))
        return ExitCode.PASS
    group = carry_out(
        Order(
            name="run",
            cases=_once(cases),
            reports=reports_folder(chosen.reports),
            seed=SEED if chosen.seed is None else chosen.seed,
            jobs=chosen.jobs or jobs_by_default(),
            emulator=chosen.emulator,
            world=chosen.world,
            defences_off=defences_off,
            target=target,
            follow_s=chosen.follow or 0.0,
        )
    )
    show(screen_of(group))
    return group.exit_code


def _once(cases: Sequence[Scenario]) -> list[Scenario]:
    return list({case.title: case for case in cases}.values())
