"""The comparison on one screen: what was not alike to begin with, then what changed, worst first."""

from __future__ import annotations

from typing import Any, Final

from unstuck.compare.differences import CaseChange, Change, Difference, Kind
from unstuck.report.sheet import WIDTH, Sheet, Span
from unstuck.report.words import plural

LINES_MAX: Final = 36  # from here on no further case is begun; `--json` has the rest
_CIRCUMSTANCES_MAX: Final = 8
_STYLES: Final = {Kind.WORSE: "bold red", Kind.CHANGED: "yellow", Kind.BETTER: "green"}
_HEAD: Final = 10
_LEAST_OF_A_CASE: Final = 3


def change_sheet(change: Change, names: tuple[str, str], *, width: int = WIDTH) -> Sheet:
    """`names`: how the user would call the two folders."""
    sheet = Sheet(width=width)
    sheet.whole(Span("before  ", "dim"), names[0])
    sheet.whole(Span("after   ", "dim"), names[1])
    if change.why_not is not None:
        sheet.blank()
        sheet.paragraph(change.why_not, first=Span("NOTHING TO COMPARE  ", "bold yellow"))
        return sheet
    _circumstances(sheet, change)
    _cases(sheet, change)
    sheet.blank()
    for what, titles in (("before", change.only_before), ("after", change.only_after)):
        if titles:
            sheet.paragraph(", ".join(titles), first=Span(f"only {what}: ", "yellow"), lines_max=3)
    _total(sheet, change)
    return sheet


def change_data(change: Change, names: tuple[str, str]) -> dict[str, Any]:
    """The same for programs, whole."""
    return {
        "format": 1,
        "before": names[0],
        "after": names[1],
        "worse": change.worse,
        "why_not": change.why_not,
        "only_before": list(change.only_before),
        "only_after": list(change.only_after),
        "cases": [
            {
                "title": case.title,
                "worse": case.worse,
                "circumstances": [_data(one) for one in case.circumstances],
                "differences": [{"kind": str(one.kind), **_data(one)} for one in case.differences],
                "same": case.same,
            }
            for case in change.cases
        ],
    }


def _circumstances(sheet: Sheet, change: Change) -> None:
    """Those of all cases together: what all have in common is said once."""
    counts: dict[tuple[str, str, str], list[str]] = {}
    for case in change.cases:
        for one in case.circumstances:
            counts.setdefault((one.what, one.before, one.after), []).append(case.title)
    sheet.blank()
    if not counts:
        sheet.line(Span("Run alike: the same text, case, seed, settings and version.", "dim"))
        return
    sheet.line(Span("Not run alike, which may explain the rest:", "bold"))
    for (what, before, after), titles in list(counts.items())[:_CIRCUMSTANCES_MAX]:
        of = "" if len(titles) == len(change.cases) else f" ({_of(titles)})"
        sheet.paragraph(f"{before} → {after}{of}", first=f"  {what}: ", lines_max=2)
    if len(counts) > _CIRCUMSTANCES_MAX:
        sheet.line(Span(f"  and {len(counts) - _CIRCUMSTANCES_MAX} more; --json has all.", "dim"))


def _of(titles: list[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{len(titles)} cases"


def _cases(sheet: Sheet, change: Change) -> None:
    changed = sorted((case for case in change.cases if case.differences), key=_badness, reverse=True)
    each = max(_LEAST_OF_A_CASE, LINES_MAX // max(len(changed), 1))
    hidden = 0
    for case in changed:
        shown = case.differences[:each] if len(sheet.lines) < LINES_MAX else ()
        hidden += len(case.differences) - len(shown)
        if not shown:
            continue
        sheet.blank()
        sheet.line(Span(case.title, "bold"))
        for one in shown:
            text = f"{one.what}: {one.before} → {one.after}"
            sheet.paragraph(text, first=Span(f"  {one.kind:<{_HEAD - 2}}", _STYLES[one.kind]), lines_max=2)
    if hidden:
        sheet.blank()
        sheet.line(Span(f"{plural(hidden, 'difference')} more; --json has all.", "dim"))


def _badness(case: CaseChange) -> tuple[float, int]:
    worse = [one.weight for one in case.differences if one.kind is Kind.WORSE]
    return max(worse, default=-1.0), len(case.differences)


def _total(sheet: Sheet, change: Change) -> None:
    every = [one for case in change.cases for one in case.differences]
    counts = {kind: sum(one.kind is kind for one in every) for kind in Kind}
    same = sum(case.same for case in change.cases)
    word, style = ("WORSE", "bold red") if change.worse else ("NO WORSE", "bold green")
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    sheet.paragraph(
        f"{plural(len(change.cases), 'case')}: {told + ', ' if told else ''}{same} the same",
        first=Span(f"{word}  ", style),
    )


def _data(one: Difference) -> dict[str, str]:
    return {"what": one.what, "before": one.before, "after": one.after}
