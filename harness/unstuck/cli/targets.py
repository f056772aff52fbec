"""`unstuck targets`: the targets that come ready-made, and what they need."""

from __future__ import annotations

import argparse

from unstuck.cli.console import show
from unstuck.errors import ExitCode
from unstuck.report.sheet import Sheet, Span


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Prints, and starts nothing."""
    del chosen
    show(targets_sheet())
    return ExitCode.PASS


def targets_sheet() -> Sheet:
    """A paragraph for each: what it is, its configurations, what to install if something is missing."""
    from unstuck.targets.declared.reading import load_target  # noqa: PLC0415  heavy
    from unstuck.targets.declared.requirements import install_line, what_is_missing  # noqa: PLC0415  heavy
    from unstuck.targets.ready import ready_targets, scenario_files  # noqa: PLC0415  heavy

    sheet = Sheet()
    for name, path in ready_targets().items():
        target = load_target(path)
        sheet.blank()
        sheet.line(Span(name, "bold"), f"  {target.summary}")
        sheet.paragraph(target.promise, first=Span("  promise        ", "dim"))
        for number, (word, variant) in enumerate(target.configurations.items()):
            first = Span("  configuration  " if number == 0 else " " * 17, "dim")
            sheet.paragraph(f"{word}: {variant.summary}", first=first)
        sheet.whole(Span("  file           ", "dim"), str(path))
        if what_is_missing(target):
            sheet.whole(Span("  missing        ", "yellow"), install_line(target))
    sheet.blank()
    sheet.paragraph(", ".join(path.stem for path in scenario_files()), first="Scenarios for each: ")
    sheet.whole("Run one: unstuck run worker-killed --target rq --configuration reliable")
    return sheet
