"""The table of crash points at a terminal, by the chapters of the job's life."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from unstuck.report.points import PAGE_FILE, PointRow, PointsTable
from unstuck.report.sheet import WIDTH, Sheet, Span, cut
from unstuck.report.text import STYLES
from unstuck.report.words import span

_PLACE: Final = 22  # before the first column


def points_sheet(table: PointsTable, *, width: int = WIDTH) -> Sheet:
    """The whole screen of an exploration."""
    sheet = Sheet(width=width)
    room = max(12, (width - _PLACE) // max(1, len(table.modes)))
    if table.rows:
        heads = (f"{cut(head, room - 1):<{room}}" for head in table.modes.values())
        sheet.line(Span(f"{'':{_PLACE}}{''.join(heads)}", "dim"))
    for life, of_life in groupby(table.rows, key=lambda row: row.life):
        sheet.blank()
        sheet.line(Span(life, "bold"))
        for (link, message), rows in groupby(of_life, key=lambda row: (row.link, row.message)):
            sheet.line(Span(f"  {link}  ", "dim"), message)
            for row in rows:
                _row(sheet, row, table, room)
    _totals(sheet, table)
    return sheet


def _row(sheet: Sheet, row: PointRow, table: PointsTable, room: int) -> None:
    spans = [Span(f"    {row.place:<{_PLACE - 4}}", "dim")]
    cells = {cell.mode: cell for cell in row.cells}
    others = [cell for cell in row.cells if cell.mode not in table.modes]
    for mode in table.modes:
        cell = cells.get(mode) or (others.pop(0) if others else None)
        if cell is None:
            spans.append(Span(" " * room))
            continue
        head = "" if cell.mode == mode else f"{cell.mode}: "
        word = cut(f"{head}{cell.word}", room - 1)
        spans.append(Span(word, STYLES[cell.verdict] if cell.verdict != "pass" else "green"))
        left = room - len(word)
        note = f", {cell.note}" if cell.note else ""
        spans.append(Span(f"{cut(note, max(0, left - 1)):<{left}}", "dim"))
    sheet.line(*spans)


def _totals(sheet: Sheet, table: PointsTable) -> None:
    sheet.blank()
    for what, why in table.uncovered:
        sheet.paragraph(f"{what}: {why}", first=Span("not covered: ", "yellow"), indent=2)
    for note in table.notes:
        sheet.paragraph(note, first=Span("note: ", "yellow"), indent=2)
    if table.failed:
        sheet.paragraph(table.failed, first=Span("why: ", STYLES[table.word]), indent=2)
    landed, reconciled = table.sums()
    head = Span(f"{table.word.upper()}  ", STYLES[table.word])
    sheet.paragraph(f"{landed}. Took {span(table.duration_s)}.", first=head, indent=2)
    sheet.paragraph(f"{reconciled}.", first="  ")
    for path in table.saved:
        sheet.whole(f"Saved   {path}")
    if table.folder:
        sheet.whole(f"Report  {table.folder}/{PAGE_FILE}")
    sheet.line(Span(f"Seed {table.seed}", "dim"))
