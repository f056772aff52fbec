"""An incident, reproduced, at a terminal: one screen, the two runs next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from unstuck.report.reproduction import Reproduction, Row
from unstuck.report.sheet import WIDTH, Sheet, Span, cut
from unstuck.report.text import MARKS, STYLES, told_in_full
from unstuck.report.words import plural, span

NAMES: Final = 20
BEFORE: Final = "that day"
AFTER: Final = "now"


def reproduction_sheet(told: Reproduction, *, width: int = WIDTH) -> Sheet:
    """The whole screen of `unstuck reproduce`."""
    sheet = Sheet(width=width)
    head = Span(told.word.upper(), STYLES[told.style])
    sheet.line(
        head, "  ", Span(told.incident, "bold"), f"  {plural(told.jobs, 'job')}  {span(told.duration_s)}"
    )
    sheet.paragraph(told.happened, first=Span("what happened   ", "dim"))
    sheet.paragraph(told.about, first=Span("the scenario    ", "dim"))
    sheet.paragraph(", ".join(told.defences_off), first=Span("missing then    ", "dim"))
    sheet.paragraph(told.conclusion(), first=Span("shown           ", "dim"), style="bold")
    sheet.blank()
    column = (sheet.width - NAMES) // 2
    sheet.line(Span(f"{'':{NAMES}}{BEFORE + ' (without)':<{column}}{AFTER + ' (with every defence)'}", "dim"))
    for row in told.rows():
        _row(sheet, row, column)
    sheet.blank()
    _moments(sheet, told)
    _evidence(sheet, told)
    sheet.blank()
    sheet.whole(f"Report  {told.folder}/reproduction.html")
    for word, line in ((BEFORE, told.before), (AFTER, told.after)):
        if line.folder:
            sheet.whole(f"Replay  unstuck replay {told.folder}/{line.folder}", Span(f"  ({word})", "dim"))
    sheet.whole(f"Again   {told.command}")
    sheet.line(Span(f"World {told.world} · Seed {told.seed} · Unstuck {told.version}", "dim"))
    return sheet


def _row(sheet: Sheet, row: Row, column: int) -> None:
    texts = [_marked(row, row.before), _marked(row, row.after)]
    styles = [STYLES["fail"] if row.bad else "", ""]
    if row.name == "verdict":
        styles = [STYLES.get(row.before, ""), STYLES.get(row.after, "")]
    _pair(sheet, f"  {row.name}", texts, styles, column)


def _marked(row: Row, text: str) -> str:
    return f"{MARKS[text]} {text}" if row.name == "verdict" and text in MARKS else text


def _pair(sheet: Sheet, name: str, texts: Sequence[str], styles: Sequence[str], column: int) -> None:
    """Two texts side by side, each wrapped in its own column."""
    pieces = [_pieces(text, column - 2) for text in texts]
    for nth, (left, right) in enumerate(zip_longest(*pieces, fillvalue="")):
        sheet.line(
            Span(f"{name if nth == 0 else '':<{NAMES}}", "dim"),
            Span(f"{left:<{column}}", styles[0]),
            Span(right, styles[1]),
        )


def _pieces(text: str, width: int) -> list[str]:
    inner = Sheet(width=width)
    inner.paragraph(text)
    return [cut("".join(span.text for span in line), width) for line in inner.lines]


def _moments(sheet: Sheet, told: Reproduction) -> None:
    sheet.line(Span("Timeline", "bold"))
    for word, line in ((BEFORE, told.before), (AFTER, told.after)):
        for nth, (at, what) in enumerate(told.moments(line)):
            sheet.paragraph(
                what, first=Span(f"  {word if nth == 0 else '':<9} {at:>8}  ", "dim"), lines_max=2
            )


def _evidence(sheet: Sheet, told: Reproduction) -> None:
    """The first broken promise of each run that broke one."""
    for word, line in ((BEFORE, told.before), (AFTER, told.after)):
        if line.summary is None:
            continue
        for item in told_in_full(line.summary)[:1]:
            sheet.blank()
            first = Span(f"{word}: {item.property}: ", STYLES[str(item.verdict)])
            sheet.paragraph(
                f"{item.job}: {item.message}" if item.job else item.message, first=first, indent=4
            )
