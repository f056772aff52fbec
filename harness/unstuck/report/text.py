"""A run's verdict for people at a terminal: one screen, the verdict first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from unstuck.checks.port import Verdict
from unstuck.report.group import RunLine
from unstuck.report.model import BrokenPromise, FaultLine, PropertyLine, Summary
from unstuck.report.sheet import WIDTH, Sheet, Span
from unstuck.report.words import facts_text, plural, span, target_text

STYLES: Final[Mapping[str, str]] = {
    "pass": "bold green",
    "fail": "bold red",
    "inconclusive": "bold yellow",
    "error": "bold magenta",
    "interrupted": "bold yellow",
    "excluded": "dim",
}
MARKS: Final[Mapping[str, str]] = {
    "pass": "✓",
    "fail": "✗",
    "inconclusive": "?",
    "error": "!",
    "interrupted": "!",
    "excluded": "-",
}
_FIRST_EVIDENCE: Final = re.compile(r"; (broken|unclear) (\d+) x: .*")  # it is told in full below
_STAMP: Final = 11  # a line's time and mark
TOLD_IN_FULL: Final = 2  # broken promises with their timeline; the report has them all
TOLD: Final = 8
DURING: Final = "during"  # in a column of recovery times


def run_sheet(line: RunLine, *, width: int = WIDTH) -> Sheet:
    """The whole screen of one run."""
    sheet = Sheet(width=width)
    word = line.word
    sheet.line(Span(word.upper(), STYLES[word]), "  ", Span(line.title, "bold"), f"  {line.took}")
    if line.error is not None:
        sheet.paragraph(line.error, first=Span("error: ", STYLES["error"]))
    summary = line.summary
    if summary is None:
        return sheet
    if line.error is not None and not summary.jobs:  # it did not start: there is nothing else to tell
        _where(sheet, summary)
        return sheet
    if summary.about:
        sheet.paragraph(summary.about, style="dim")
    for note in summary.notes:
        sheet.paragraph(note, first=Span("note: ", "yellow"))
    tell_why(sheet, line)
    _done(sheet, summary)
    _jobs(sheet, summary)
    _properties(sheet, summary)
    sheet.blank()
    sheet.extend(evidence_sheet(summary, width=width))
    tell_besides(sheet, line)
    _where(sheet, summary)
    return sheet


def tell_why(sheet: Sheet, line: RunLine) -> None:
    """Why it proves nothing, unless an error told that. Of one that failed, its broken promises tell."""
    for reason in doubts_of(line, failed=False):
        sheet.paragraph(reason, first=Span("why:  ", STYLES[line.word]))


def tell_besides(sheet: Sheet, line: RunLine) -> None:
    """Below those promises: what was wrong with the run as well."""
    for nth, reason in enumerate(doubts_of(line, failed=True)):
        if nth == 0:
            sheet.blank()
        sheet.paragraph(reason, first=Span("besides: ", STYLES[line.word]))


def doubts_of(line: RunLine, *, failed: bool) -> list[str]:
    """`doubts` of a run that failed, or of one that did not; empty for the other kind."""
    if line.summary is None or (line.summary.verdict is Verdict.FAIL) != failed:
        return []
    if line.error is None:
        return doubts(line.summary)
    # An error that ended a run tells why it proves nothing; of a failure it tells of itself only.
    return [reason for reason in doubts(line.summary) if line.error not in reason] if failed else []


def evidence_sheet(summary: Summary, *, width: int = WIDTH) -> Sheet:
    """The broken promises: one of each property in full, the others in short, the rest counted."""
    sheet = Sheet(width=width)
    full = told_in_full(summary)
    for item in full:
        sheet.blank()
        _broken(sheet, item, summary)
    others = [item for item in summary.broken if item not in full]
    for nth, item in enumerate(others[:TOLD]):
        if nth == 0:
            sheet.blank()
        job = f"{item.job}: " if item.job else ""
        sheet.paragraph(
            f"{item.property}: {job}{item.message}", first=Span("also  ", STYLES[str(item.verdict)])
        )
    if len(others) > TOLD:
        sheet.line(f"      … {len(others) - TOLD} more in the report")
    return sheet


def told_in_full(summary: Summary) -> list[BrokenPromise]:
    """The first of each property, of a job that was not told of yet."""
    full: list[BrokenPromise] = []
    for item in summary.broken:
        new = all(item.property != other.property and item.job != other.job for other in full)
        if new and len(full) < TOLD_IN_FULL:
            full.append(item)
    return full


def jobs_text(summary: Summary) -> str:
    """`6 succeeded, 1 active`; `no jobs`."""
    return ", ".join(f"{count} {state}" for state, count in summary.states.items()) or "no jobs"


def recovery_text(summary: Summary) -> str:
    """For a column: the longest recovery; `during` when each job was claimed while the fault lasted."""
    if summary.recovery_s is not None:
        return span(summary.recovery_s)
    return "" if summary.meanwhile_s is None else DURING


def recovery_told(summary: Summary) -> str:
    """In a line: `2.1 s at most`, and what was claimed while the fault lasted; empty when none was hit."""
    parts = []
    if summary.recovery_s is not None:
        parts.append(f"{span(summary.recovery_s)} at most")
    if summary.meanwhile_s is not None:
        count = sum(1 for one in summary.recoveries if one.meanwhile_s is not None)
        most = "" if count == 1 else " at most"
        parts.append(
            f"{count} claimed while the fault lasted, {span(summary.meanwhile_s)} after the blow{most}"
        )
    return "; ".join(parts)


def classes_told(summary: Summary) -> Mapping[str, int]:
    """What became of the jobs, by class; `ok` only where none of it failed: the class says that nothing is
    wrong with a job's record, and beside `7 failed` it reads as if they had not."""
    failed = any(job.outcome == "ok" and job.state == "failed" for job in summary.jobs)
    return {name: count for name, count in summary.outcomes.items() if not (failed and name == "ok")}


def doubts(summary: Summary) -> list[str]:
    """Why it is not a pass, without what the table of properties says anyway.

    When nothing else is wrong but a property that is inconclusive, that one is told.
    """
    failed = tuple(f"{one.name}: " for one in summary.properties if one.verdict is Verdict.FAIL)
    unjudged = tuple(f"{one.name} was expected" for one in summary.properties)
    reasons = [reason for reason in summary.reasons if not (failed and reason.startswith(failed))]
    others = [reason for reason in reasons if not reason.startswith(unjudged)]
    return others or ([] if failed else reasons)


def done_text(summary: Summary) -> str:
    """What was done to the service, in one line; without faults, what the clients did."""
    return "; ".join(summary.done) or "; ".join(summary.workload)


def _done(sheet: Sheet, summary: Summary) -> None:
    _heading(sheet, "What was done to the service")
    for fault in summary.faults:
        sheet.paragraph(f"{fault.when}: {fault.what}", first=f"  {fault.index}  ")
        sheet.paragraph(fault_fate(fault), first="     ", style="yellow" if fault.problem else "")
    if not summary.faults:
        for line in summary.workload:
            sheet.paragraph(f"no fault; {line}", first="  ")


def fault_fate(fault: FaultLine) -> str:
    """How far a fault got: `landed once: worker-1 gone and replaced; active_jobs >= 1, seen 3`."""
    if fault.problem and not fault.landed:
        return fault.problem
    times = "once" if fault.landed == 1 else f"{fault.landed} times"
    parts = [f"landed {times}{f': {fault.how}' if fault.how else ''}", fault.condition]
    if fault.in_flight is not None and not fault.setup:
        parts.append(f"{plural(fault.in_flight, 'job')} in flight")
    parts.append(f"but {fault.problem}" if fault.problem else "")
    return "; ".join(part for part in parts if part)


def _jobs(sheet: Sheet, summary: Summary) -> None:
    _heading(sheet, "What happened to the jobs")
    classes = ", ".join(f"{count} {name}" for name, count in classes_told(summary).items())
    sheet.paragraph(
        f"{plural(len(summary.jobs), 'job')}: {jobs_text(summary)}" + (f" ({classes})" if classes else ""),
        first="  ",
    )
    if recovery := recovery_told(summary):
        sheet.paragraph(recovery, first="  recovery: ")


def _properties(sheet: Sheet, summary: Summary) -> None:
    _heading(sheet, "What was promised")
    told = [one for one in summary.properties if one.expected or one.verdict is Verdict.FAIL]
    width = max((len(one.name) for one in told), default=0)
    for one in told:
        _property(sheet, one, width)
    others = [one for one in summary.properties if one not in told]
    judged = sum(1 for one in others if one.judged)
    if others:
        sheet.line(
            Span(f"  always on: {judged} more kept, {len(others) - judged} had nothing to judge", "dim")
        )


def _property(sheet: Sheet, one: PropertyLine, width: int) -> None:
    word = str(one.verdict)
    summary = _FIRST_EVIDENCE.sub(r"; \2 \1", one.summary)
    sheet.paragraph(
        summary, first=Span(f"  {MARKS[word]} {one.name:<{width}}  ", STYLES[word].replace("bold ", ""))
    )


def _broken(sheet: Sheet, item: BrokenPromise, summary: Summary) -> None:
    word = str(item.verdict)
    kind = "Broken" if item.verdict is Verdict.FAIL else "Unclear"
    sheet.paragraph(item.promise, first=Span(f"{kind}: {item.property}: ", STYLES[word]), indent=8)
    sheet.paragraph(f"{item.job}: {item.message}" if item.job else item.message, first="  ", style="bold")
    for name, text in (
        ("facts", "" if item.stopped else facts_text(item.facts)),
        ("stopped", item.stopped),
        ("held by", item.held_by),
        ("moves on", item.moves_on),
    ):
        if text and text not in item.message:
            sheet.paragraph(text, first=f"    {name:<9} ")
    for line in item.excerpt:
        if "▶" in line[:12]:  # what shows the break is never cut
            sheet.paragraph(line[_STAMP:], first=Span(f"    {line[:_STAMP]}", "bold"), style="bold")
        else:
            sheet.line(Span(f"    {line}", "dim"))
    for log in item.logs[:3]:
        sheet.whole(f"    log       {summary.folder}/{log}" if summary.folder else f"    log       {log}")


def _where(sheet: Sheet, summary: Summary) -> None:
    sheet.blank()
    if summary.folder:
        sheet.whole(f"Report  {summary.folder}/report.html")
        sheet.whole(f"Replay  {summary.replay}")
    off = f" · defences off: {', '.join(summary.defences_off)}" if summary.defences_off else ""
    sheet.line(
        Span(f"{target_text(summary.target)}Seed {summary.seed} · Unstuck {summary.version}{off}", "dim")
    )


def _heading(sheet: Sheet, text: str) -> None:
    sheet.blank()
    sheet.line(Span(text, "bold"))
