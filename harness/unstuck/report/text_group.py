"""The verdict of several runs at a terminal: a line a case, then what did not pass, then the totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final

from unstuck.report.group import Group, RunLine
from unstuck.report.sheet import Sheet, Span, cut
from unstuck.report.text import MARKS, STYLES, done_text, doubts, evidence_sheet, jobs_text
from unstuck.report.words import plural, span

_CASE: Final = 40
_JOBS: Final = 24
ORDER: Final = ("pass", "fail", "inconclusive", "error", "interrupted", "excluded")


def group_sheet(group: Group) -> Sheet:
    """The whole screen of a gate."""
    sheet = Sheet()
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
    return case.removesuffix("]").replace(",", " ").removeprefix("alternative=") if bracket else name


def _case(sheet: Sheet, line: RunLine) -> None:
    word = line.word
    head = Span(f"  {MARKS[word]} {word:<12} ", STYLES[word])
    case = f"{cut(case_text(line.title), _CASE):<{_CASE}} "
    if line.excluded is not None:
        sheet.paragraph(f"{case_text(line.title)}: {line.excluded}", first=head, style="dim")
        return
    summary = line.summary
    jobs = f"{cut(jobs_text(summary), _JOBS):<{_JOBS}}" if summary else " " * _JOBS
    recovery = summary.recovery_s if summary else None
    recovered = "" if recovery is None else span(recovery)
    sheet.line(head, case, jobs, f" {recovered:>8} {span(line.duration_s):>7}")
    if summary is not None:
        sheet.line(Span(f"{'':17}{done_text(summary)}", "dim"))


def _trouble(sheet: Sheet, line: RunLine) -> None:
    sheet.blank()
    sheet.paragraph(line.title, first=Span(f"{line.word.upper()}  ", STYLES[line.word]), style="bold")
    if line.error is not None:
        sheet.paragraph(line.error, first="  ")
    summary = line.summary
    if summary is None:
        return
    for reason in doubts(summary):
        sheet.paragraph(reason, first=Span("why:  ", STYLES[line.word]))
    sheet.extend(evidence_sheet(summary))
    if summary.folder:
        sheet.whole(f"  Replay  {summary.replay}")


def _totals(sheet: Sheet, group: Group) -> None:
    sheet.blank()
    word = group.word
    ran = [line for line in group.lines if line.excluded is None]
    jobs = sum(len(line.summary.jobs) for line in ran if line.summary)
    sheet.line(
        Span(word.upper(), STYLES[word]),
        f"  {plural(len(ran), 'run')}: {counts_text(group.counts)} · {plural(jobs, 'job')}",
        f"{_slowest(ran)} · {span(group.duration_s)}",
    )
    for note in group.notes:
        sheet.paragraph(note, first=Span("note: ", "yellow"))
    if group.folder:
        sheet.whole(f"Report  {group.folder}/report.html")
    sheet.line(Span(f"Seed {group.seed} · Unstuck {group.version}", "dim"))


def _slowest(lines: Iterable[RunLine]) -> str:
    known = [
        line.summary.recovery_s for line in lines if line.summary and line.summary.recovery_s is not None
    ]
    return f" · recovery {span(max(known))} at most" if known else ""
