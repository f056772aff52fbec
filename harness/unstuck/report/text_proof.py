"""The proof that alarms sound, at a terminal: a line a defence, a line a falsified history."""

from __future__ import annotations

from dataclasses import dataclass

from unstuck.report.sheet import Sheet, Span
from unstuck.report.text import STYLES


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofLine:
    """One alarm: what was taken away or falsified, where, which property had to notice, and did it."""

    subject: str  # the defence, or how the history was falsified
    where: str  # the case, or how many histories
    by: str
    proved: bool
    tried: bool = True
    note: str = ""
    replay: str | None = None


def proof_sheet(
    defences: list[ProofLine], mutations: list[ProofLine], unguarded: list[str], folder: str | None, seed: int
) -> Sheet:
    """The whole screen of `unstuck prove`."""
    sheet = Sheet()
    sheet.line(Span("With a defence off, its scenario must fail", "bold"))
    width = max((len(line.subject) for line in (*defences, *mutations)), default=0)
    for line in defences:
        _line(sheet, line, width)
    if mutations:
        sheet.blank()
        sheet.line(Span("A healthy history, falsified, must fail", "bold"))
    for line in mutations:
        _line(sheet, line, width)
    sheet.blank()
    if unguarded:
        sheet.paragraph(", ".join(unguarded), first=Span("guarded by no scenario: ", "yellow"), indent=2)
    _totals(sheet, [*defences, *mutations])
    if folder:
        sheet.whole(f"Report  {folder}/report.html")
    sheet.line(Span(f"Seed {seed}", "dim"))
    return sheet


def _line(sheet: Sheet, line: ProofLine, width: int) -> None:
    word, style = ("caught", "pass") if line.proved else ("MISSED", "fail")
    if not line.tried:
        word, style = "not tried", "inconclusive"
    sheet.line(
        Span(f"  {word:<10} ", STYLES[style]),
        f"{line.subject:<{width}} {line.by:<22} ",
        Span(line.where, "dim"),
    )
    if line.note:
        sheet.paragraph(line.note, first=" " * 13)
    if line.replay and not line.proved:
        sheet.whole(f"{'':13}{line.replay}")


def _totals(sheet: Sheet, lines: list[ProofLine]) -> None:
    tried = [line for line in lines if line.tried]
    caught = sum(line.proved for line in tried)
    good = bool(tried) and caught == len(tried)
    not_tried = f", {len(lines) - len(tried)} not tried" if len(tried) < len(lines) else ""
    sheet.line(
        Span("PROVED" if good else "NOT PROVED", STYLES["pass" if good else "fail"]),
        f"  {caught} of {len(tried)} alarms sounded{not_tried}",
    )
