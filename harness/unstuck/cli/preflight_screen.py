"""What `unstuck preflight` shows: a judgement, the list of rules, one rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from unstuck.preflight.finding import Finding, Severity, Unjudged
from unstuck.preflight.judging import Judgement
from unstuck.preflight.measured import Measured
from unstuck.preflight.readers import NAMES
from unstuck.preflight.rules import RULES
from unstuck.preflight.rules.port import Example
from unstuck.preflight.units import show_mib, show_s
from unstuck.report.sheet import WIDTH, Sheet, Span, clean
from unstuck.report.words import plural

_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_HEAD: Final = 9  # `warning` and a gap


def judgement_sheet(judgement: Judgement, *, width: int = WIDTH) -> Sheet:
    """Findings, the worst first, what was allowed, what was not judged, and the sum."""
    sheet = Sheet(width=width)
    _findings(sheet, judgement.standing)
    _allowed(sheet, [one for one in judgement.findings if one.allowed is not None])
    _unjudged(sheet, judgement.unjudged)
    _total(sheet, judgement)
    return sheet


def list_sheet(*, width: int = WIDTH) -> Sheet:
    """Every rule in a line, and every format."""
    sheet = Sheet(width=width)
    for rule in RULES.values():
        sheet.line(
            Span(rule.ID, "bold"), "  ", Span(f"{rule.SEVERITY:<8}", _STYLES[rule.SEVERITY]), rule.TITLE
        )
    sheet.blank()
    for name, marks in NAMES.items():
        sheet.paragraph(marks, first=Span(f"{name:<13}", "bold"), style="dim")
    sheet.blank()
    sheet.line("`unstuck preflight --explain US003` tells why, and shows a bad and a good example.")
    return sheet


def rule_sheet(name: str, *, width: int = WIDTH) -> Sheet:
    """One rule, whole. `name` is the id of one."""
    rule = RULES[name]
    sheet = Sheet(width=width)
    sheet.line(Span(rule.ID, "bold"), f"  {rule.TITLE} ", Span(f"({rule.SEVERITY})", _STYLES[rule.SEVERITY]))
    sheet.blank()
    sheet.paragraph(rule.WHY)
    sheet.blank()
    sheet.paragraph(rule.FIX, first=Span("Fix: ", "bold"), indent=0)
    for word, style, example in (("Bad", "red", rule.BAD), ("Good", "green", rule.GOOD)):
        _example(sheet, word, style, example)
    sheet.blank()
    sheet.line(f"To allow it on one line: # unstuck: allow {rule.ID} because …")
    return sheet


def _example(sheet: Sheet, word: str, style: str, example: Example) -> None:
    sheet.blank()
    figures = []
    if example.longest_stage_s is not None:
        figures.append(f"longest stage {show_s(example.longest_stage_s)}")
    if example.peak_mib is not None:
        figures.append(f"peak {show_mib(example.peak_mib)}")
    sheet.line(Span(f"{word}: ", style), example.file, Span(f"  {', '.join(figures)}", "dim"))
    for line in example.text.splitlines():
        sheet.whole(f"  {line}")


def _findings(sheet: Sheet, findings: Sequence[Finding]) -> None:
    """What several workloads have in common is said once, with the places below it."""
    groups: dict[tuple[Severity, str, str, str], list[Finding]] = {}
    for severity in Severity:
        for one in findings:
            if one.severity is severity:
                groups.setdefault((severity, one.rule, one.text, one.step), []).append(one)
    for (severity, rule, text, step), ones in groups.items():
        sheet.blank()
        head = Span(f"{severity:<{_HEAD}}{rule}  ", _STYLES[severity])
        sheet.paragraph(f"{text}.", first=head)
        sheet.paragraph(step, first=" " * len(head.text), style="dim")
        for one in ones:
            sheet.whole(
                " " * len(head.text),
                Span(clean(f"{one.path}:{one.line}"), "bold"),
                Span(clean(f"  {one.subject}"), "dim"),
            )


def _allowed(sheet: Sheet, allowed: Sequence[Finding]) -> None:
    if not allowed:
        return
    sheet.blank()
    sheet.line(Span("Allowed by a comment", "bold"))
    for one in allowed:
        sheet.paragraph(
            f"{one.path}:{one.line} {one.subject}: {one.allowed}",
            first=Span(f"  {one.rule}  ", "dim"),
        )


def _unjudged(sheet: Sheet, unjudged: Sequence[Unjudged]) -> None:
    """By what is missing: one flag often answers for many."""
    if not unjudged:
        return
    sheet.blank()
    sheet.line(Span("Not judged", "bold"))
    groups: dict[tuple[str, str], list[Unjudged]] = {}
    for one in unjudged:
        groups.setdefault((one.lacks, one.step), []).append(one)
    for (lacks, step), ones in groups.items():
        rules = ", ".join(_once(one.rule for one in ones))
        of = ", ".join(_once(one.subject for one in ones))
        sheet.paragraph(f"{rules} of {of}: {lacks}. {step}", first="  - ")


def _once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _total(sheet: Sheet, judgement: Judgement) -> None:
    standing = judgement.standing
    counts = {severity: sum(one.severity is severity for one in standing) for severity in Severity}
    told = [plural(count, str(severity)) for severity, count in counts.items() if count]
    allowed = len(judgement.findings) - len(standing)
    told += [f"{allowed} allowed"] if allowed else []
    workloads = sum(judgement.files.values())
    told.append(f"{judgement.judged} judged, {len(judgement.unjudged)} not judged")
    told.append(f"{plural(workloads, 'workload')} in {plural(len(judgement.files), 'file')}")
    sheet.blank()
    if figures := _figures(judgement.measured):
        sheet.paragraph(figures, first=Span("Measured  ", "dim"), style="dim")
    word, style = ("FOUND", "bold red") if judgement.failed else ("CLEAN", "bold green")
    sheet.paragraph(" · ".join(told), first=Span(f"{word}  ", style))


def _figures(measured: Measured) -> str:
    told = []
    if measured.longest_stage_s is not None:
        name = f" ({measured.stage})" if measured.stage else ""
        told.append(f"longest stage{name} {show_s(measured.longest_stage_s)}")
    if measured.drain_s is not None:
        told.append(f"drain {show_s(measured.drain_s)}")
    peaks = [f"{role} {show_mib(peak)}".strip() for role, peak in sorted(measured.peaks_mib.items())]
    if peaks:
        told.append(f"peak {', '.join(peaks)}")
    return "; ".join(told) + (
        f"; from {', '.join(measured.sources[:3])}" if told and measured.sources else ""
    )
