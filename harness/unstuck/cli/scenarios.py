"""`unstuck scenarios list | explain`: what there is, and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from unstuck.catalogue import Catalogue
from unstuck.cli.choosing import choose_target
from unstuck.cli.console import show
from unstuck.cli.explaining import explain_sheet, list_sheet
from unstuck.cli.inputs import (
    Named,
    choose_cases,
    find_scenarios,
    incident_of,
    load_all,
    parse_selections,
)
from unstuck.errors import ExitCode, ScenarioError, UsageError
from unstuck.report.sheet import Span
from unstuck.scenario_file import ScenarioFile, load


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Prints, and starts nothing."""
    selections = parse_selections(chosen.case)
    explaining = chosen.what == "explain"
    if explaining and not chosen.files:
        raise UsageError("explain needs a scenario. `unstuck scenarios list` shows those that are bundled.")
    if not explaining and selections:
        raise UsageError("--case is for explain. `unstuck scenarios explain NAME --case K=V` shows a case.")
    target = choose_target(chosen.target, chosen.configuration, allowed_hosts=None)
    known = target.scenarios()
    named = (
        find_scenarios(chosen.files, known=known)
        if chosen.files
        else [Named(path=path, selection={}) for path in known.values()]
    )
    if not chosen.files and target.file is not None:
        _list_fitting(known, target.catalogue())
        return ExitCode.PASS
    files = load_all(named, target.catalogue())
    if not explaining:
        show(list_sheet(list(files.values()), incident_of))
        return ExitCode.PASS
    for one in named:
        file = files[one.path]
        for case in choose_cases(file, selections or ([one.selection] if one.selection else [])):
            show(explain_sheet(file, case))
    return ExitCode.PASS


def _list_fitting(known: Mapping[str, Path], catalogue: Catalogue) -> None:
    """Those that a target of one's own can run, then the others, each with what it lacks."""
    fitting: list[ScenarioFile] = []
    lacking: list[tuple[str, str]] = []
    for name, path in known.items():
        try:
            fitting.append(load(path, catalogue))
        except ScenarioError as error:
            lacking.append((name, str(error).partition(f"{path}:")[2].partition(": ")[2] or str(error)))
    sheet = list_sheet(fitting)
    sheet.blank()
    for name, why in lacking:
        sheet.paragraph(why, first=Span(f"not for this target: {name}: ", "dim"), indent=4, style="dim")
    show(sheet)
