"""`points.html`: the table of crash points, each cell linked to the run of its trial."""

from __future__ import annotations

from itertools import groupby
from urllib.parse import quote

from unstuck.report.markup import Child, Markup, join, tag
from unstuck.report.page import badge, header, page
from unstuck.report.page import table as table_of
from unstuck.report.points import PointCell, PointRow, PointsTable
from unstuck.report.words import span


def points_html(table: PointsTable) -> str:
    """The page of an exploration."""
    landed, reconciled = table.sums()
    title = f"Crash points of {table.target}"
    return page(
        f"{table.word}: {title}",
        [
            header(table.word, title, span(table.duration_s), f"{landed}."),
            tag("p", f"{reconciled}."),
            tag("p", tag("b", "why: "), table.failed) if table.failed else None,
            *(tag("p", tag("b", "note: "), note) for note in table.notes),
            *(
                part
                for life, rows in groupby(table.rows, key=lambda row: row.life)
                for part in (tag("h2", life), _rows(table, list(rows)))
            ),
            *_uncovered(table),
            tag("footer", f"Seed {table.seed} · Unstuck {table.version} · {table.date}"),
        ],
        scripts=("page.js",),
    )


def _rows(table: PointsTable, rows: list[PointRow]) -> Markup:
    heads = ["link", "message", "where", *table.modes.values()]
    written: list[list[Child]] = []
    for row in rows:
        cells = {cell.mode: cell for cell in row.cells}
        others = [cell for cell in row.cells if cell.mode not in table.modes]
        line: list[Child] = [
            row.link,
            join(tag("code", row.message), tag("div", row.text, class_="soft") if row.text else None),
            row.place,
        ]
        for mode in table.modes:
            cell = cells.get(mode) or (others.pop(0) if others else None)
            line.append(_cell(cell, mode) if cell is not None else "")
        written.append(line)
    return table_of(heads, written, narrow=(0,), kind="points")


def _cell(cell: PointCell, mode: str) -> Markup:
    text = cell.word if cell.mode == mode else f"{cell.mode}: {cell.word}"
    told = badge(cell.verdict, text)
    notes = [part for part in (cell.note, ", ".join(cell.broken)) if part]
    return join(
        tag("a", told, href=f"{quote(cell.run)}/report.html") if cell.run else told,
        *(tag("div", note, class_="soft") for note in notes),
    )


def _uncovered(table: PointsTable) -> list[Markup]:
    if not table.uncovered:
        return []
    return [tag("h2", "Not covered"), table_of(("what", "why"), table.uncovered)]
