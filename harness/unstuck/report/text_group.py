"""The verdict of several runs at a terminal: a line a case, then what did not pass, then the totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final

from unstuck.report.group import Group, RunLine
from unstuck.report.sheet import WIDTH, Sheet, Span, cut
from unstuck.report.text import (
    MARKS,
    STYLES,
    done_text,
    evidence_sheet,
    jobs_text,
    recovery_text,
    tell_besides,
    tell_why,
)
from unstuck.report.words import plural, span, target_text

_HEAD: Final = 17  # mark and verdict
_JOBS: Final = 24
_TIMES: Final = 18  # recovery and length, right-aligned
_DONE_LINES: Final = 2
ORDER: Final = ("pass", "fail", "inconclusive", "error", "interrupted", "excluded")


def group_sheet(group: Group, *, width: int = WIDTH) -> Sheet:
    """The whole screen of a gate."""
    sheet = Sheet(width=width)
    sheet.line(Span(f"{_row(sheet, 'case', 'jobs', 'recovery', 'took', head='  verdict')}", "dim"))
    for name, lines in groupby(group.lines, key=lambda line: line.title.split("[")[0]):
        sheet.blank()
        sheet.line(Span(name, "bold"))
        for line in lines:
            _case(sheet, line)
    for line in group.lines:
        if line.excluded is None and line.word != "pass":
            _trouble(sheet, line)
    _totals(sheet, group)
    return sheet


def counts_text(counts: Mapping[str, int]) -> str:
    """`11 pass, 1 fail`, worst not hidden: every word that occurs."""
    return ", ".join(f"{counts[word]} {word}" for word in ORDER if counts.get(word)) or "nothing run"


def case_text(title: str) -> str:
    """The case of a title, `stage=scenes grace_s=5`; the name itself where there is one case only."""
    name, bracket, case = title.partition("[")
    inside, _, after = case.rpartition("]")
    return inside.replace(",", " ").removeprefix("alternative=") + after if bracket else name


def _case(sheet: Sheet, line: RunLine) -> None:
    word = line.word
    head = Span(f"  {MARKS[word]} {word:<12} ", STYLES[word])
    if line.excluded is not None:
        sheet.paragraph(f"{case_text(line.title)}: {line.excluded}", first=head, style="dim")
        return
    summary = line.summary
    case = case_text(line.title)
    jobs = jobs_text(summary) if summary else ""
    recovered = recovery_text(summary) if summary else ""
    if len(case) > _case_width(sheet):  # a narrow terminal: the case has a line of its own
        sheet.line(head, case)
        head, case = Span(" " * _HEAD), ""
    sheet.line(head, _row(sheet, case, jobs, recovered, span(line.duration_s)))
    if summary is not None:
        sheet.paragraph(done_text(summary), first=" " * _HEAD, style="dim", lines_max=_DONE_LINES)


def _case_width(sheet: Sheet) -> int:
    return sheet.width - _HEAD - _JOBS - _TIMES


def _row(sheet: Sheet, case: str, jobs: str, recovery: str, took: str, *, head: str = "") -> str:
    columns = f"{case:<{_case_width(sheet)}} {cut(jobs, _JOBS):<{_JOBS}} {recovery:>8} {took:>7}"
    return f"{head:<{_HEAD}}{columns}" if head else columns


def _trouble(sheet: Sheet, line: RunLine) -> None:
    sheet.blank()
    sheet.paragraph(line.title, first=Span(f"{line.word.upper()}  ", STYLES[line.word]), style="bold")
    if line.error is not None:
        sheet.paragraph(line.error, first="  ")
    summary = line.summary
    if summary is None:
        return
    tell_why(sheet, line)
    sheet.extend(evidence_sheet(summary, width=sheet.width))
    tell_besides(sheet, line)
    if summary.folder:
        sheet.whole(f"  Replay  {summary.replay}")


def _totals(sheet: Sheet, group: Group) -> None:
    sheet.blank()
    word = group.word
    ran = [line for line in group.lines if line.excluded is None]
    jobs = sum(len(line.summary.jobs) for line in ran if line.summary)
    sheet.paragraph(
        f"{plural(len(ran), 'run')}: {counts_text(group.counts)} · {plural(jobs, 'job')}"
        f"{_slowest(ran)} · {span(group.duration_s)}",
        first=Span(f"{word.upper()}  ", STYLES[word]),
    )
    for note in group.notes:
        sheet.paragraph(note, first=Span("note: ", "yellow"))
    if group.folder:
        sheet.whole(f"Report  {group.folder}/report.html")
    sheet.line(Span(f"{target_text(group.target)}Seed {group.seed} · Unstuck {group.version}", "dim"))


def _slowest(lines: Iterable[RunLine]) -> str:
    known = [
        line.summary.recovery_s for line in lines if line.summary and line.summary.recovery_s is not None
    ]
    return f" · recovery {span(max(known))} at most" if known else ""
