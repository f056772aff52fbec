"""The proof that alarms sound, at a terminal: a line a defence, a line a falsified history."""

from __future__ import annotations

from collections.abc import Sequence

from unstuck.report.group import ProofLine
from unstuck.report.sheet import Sheet, Span
from unstuck.report.text import STYLES


def proof_sheet(
    defences: list[ProofLine], mutations: list[ProofLine], unguarded: list[str], folder: str | None, seed: int
) -> Sheet:
    """The whole screen of `unstuck prove`."""
    sheet = Sheet()
    sheet.line(Span("With a defence off, its scenario must fail", "bold"))
    for line in defences:
        _line(sheet, line, defences)
    if mutations:
        sheet.blank()
        sheet.line(Span("A healthy history, falsified, must fail", "bold"))
    for line in mutations:
        _line(sheet, line, mutations)
    sheet.blank()
    if unguarded:
        sheet.paragraph(", ".join(unguarded), first=Span("guarded by no scenario: ", "yellow"), indent=2)
    _totals(sheet, [*defences, *mutations])
    if folder:
        sheet.whole(f"Report  {folder}/report.html")
    sheet.line(Span(f"Seed {seed}", "dim"))
    return sheet


def _line(sheet: Sheet, line: ProofLine, lines: list[ProofLine]) -> None:
    subject, by = (max(len(text) for text in column) for column in _columns(lines))
    style = "inconclusive" if not line.tried else "pass" if line.proved else "fail"
    word = "MISSED" if line.word == "missed" else line.word
    head = f"{line.subject:<{subject}} {line.by:<{by}}"
    if 14 + len(head) + len(line.where) <= sheet.width:
        sheet.line(Span(f"  {word:<10} ", STYLES[style]), f"{head} ", Span(line.where, "dim"))
    else:
        sheet.line(Span(f"  {word:<10} ", STYLES[style]), head)
        sheet.paragraph(line.where, first=" " * 13, style="dim")
    if line.note:
        sheet.paragraph(line.note, first=" " * 13)
    if line.replay and not line.proved:
        sheet.whole(f"{'':13}{line.replay}")


def _columns(lines: list[ProofLine]) -> tuple[list[str], list[str]]:
    return [line.subject for line in lines], [line.by for line in lines]


def _totals(sheet: Sheet, lines: list[ProofLine]) -> None:
    good = all(line.proved for line in lines if line.tried) and any(line.tried for line in lines)
    sheet.line(
        Span("PROVED" if good else "NOT PROVED", STYLES["pass" if good else "fail"]),
        f"  {alarms_text(lines)}",
    )


def alarms_text(lines: Sequence[ProofLine]) -> str:
    """`25 of 25 alarms sounded, 3 not tried`."""
    tried = [line for line in lines if line.tried]
    caught = sum(line.proved for line in tried)
    not_tried = f", {len(lines) - len(tried)} not tried" if len(tried) < len(lines) else ""
    return f"{caught} of {len(tried)} alarms sounded{not_tried}"
