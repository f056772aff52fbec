"""Says what scenarios do, without doing it: `--plan`, `scenarios explain`, `scenarios list`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from unstuck.cases import spell
from unstuck.cli.choosing import ChosenTarget
from unstuck.describe import describe
from unstuck.report.sheet import Sheet, Span
from unstuck.report.words import plural
from unstuck.scenario import Scenario
from unstuck.scenario_file import ScenarioFile


def plan_sheet(
    cases: Sequence[Scenario],
    excluded: Sequence[tuple[Scenario, str]] = (),
    *,
    target: ChosenTarget | None = None,
) -> Sheet:
    """What runs of these cases would do, in order, and what of the target they would start."""
    sheet = Sheet()
    if target is not None and target.file is not None:
        from unstuck.cli.target_plan import target_sheet  # noqa: PLC0415  heavy

        sheet.extend(target_sheet(target, cases))
    for case in cases:
        _case(sheet, case)
    sheet.blank()
    for case, why in excluded:
        sheet.paragraph(why, first=Span(f"excluded: {case.title}: ", "dim"), indent=10)
    left_out = f", {len(excluded)} excluded" if excluded else ""
    sheet.line(f"{plural(len(cases), 'run')}{left_out}. Nothing was started.")
    return sheet


def explain_sheet(file: ScenarioFile, case: Scenario) -> Sheet:
    """One case in words, and which others the file has."""
    sheet = Sheet()
    _case(sheet, case)
    sheet.blank()
    if file.grid.alternatives:
        _values(sheet, "alternative", file.grid.alternatives)
    for name, values in file.grid.matrix.items():
        _values(sheet, name, values)
    count = len(file.all_cases())
    if count > 1:
        sheet.line(
            f"{plural(count, 'case')}, {len(file.pairwise_cases())} of them pairwise. "
            "The first values are the base case."
        )
    if case.incident:
        sheet.line(f"Incident: {case.incident}")
    sheet.whole(f"File: {file.path}")
    return sheet


def list_sheet(
    files: Sequence[ScenarioFile], incident_of: Callable[[Path], str | None] = lambda _: None
) -> Sheet:
    """A paragraph for each scenario; those of an incident below its name, in the order given."""
    sheet = Sheet()
    incident: str | None = None
    for file in files:
        own = incident_of(file.path)
        if own is not None and own != incident:
            incident = own
            sheet.blank()
            sheet.line(Span(f"Incident {own}", "bold"), ", which the default gate leaves out:")
        base, count = file.base_case(), len(file.all_cases())
        pairwise = f", {len(file.pairwise_cases())} pairwise" if count > 1 else ""
        sheet.blank()
        sheet.line(Span(file.name, "bold"), f"  {plural(count, 'case')}{pairwise}")
        sheet.paragraph(base.summary, first="  ")
        guards = ", ".join(dict.fromkeys(guard.defence for guard in base.guards))
        if guards:
            sheet.paragraph(guards, first=Span("  guards ", "dim"), style="dim")
    return sheet


def _case(sheet: Sheet, case: Scenario) -> None:
    sheet.blank()
    sheet.whole(Span(case.title, "bold"))
    sheet.paragraph(case.summary, style="dim")
    for sentence in describe(case):
        sheet.paragraph(sentence, first="  - ")


def _values(sheet: Sheet, name: str, values: Sequence[object]) -> None:
    sheet.paragraph(", ".join(spell(value) for value in values), first=Span(f"  {name}: ", "dim"))
