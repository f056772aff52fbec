"""Markdown for a pull request's checks page: the table first, then what did not pass."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unstuck.checks.port import Verdict
from unstuck.report.group import Group, ProofLine, RunLine
from unstuck.report.model import Summary
from unstuck.report.sheet import clean
from unstuck.report.text import MARKS, done_text, evidence_sheet, fault_fate, jobs_text, recovery_text
from unstuck.report.text_group import counts_text
from unstuck.report.words import plural, span

TOLD = 10  # runs with their evidence; GitHub cuts a summary at 1 MiB


def run_markdown(line: RunLine) -> str:
    """`summary.md` of one run; ends with a newline."""
    lines = [f"## {MARKS[line.word]} {line.word.upper()} {_safe(line.title)}", ""]
    lines += [_safe(line.error), ""] if line.error else []
    if line.summary is not None:
        lines += _run(line.summary)
    return "\n".join(lines) + "\n"


def _run(summary: Summary) -> list[str]:
    lines = [_safe(summary.about), ""]
    lines += [f"> **note:** {_safe(note)}" for note in summary.notes]
    if summary.verdict is not Verdict.PASS:
        lines += [*(f"- {_safe(reason)}" for reason in summary.reasons), ""]
    lines += ["### What was done to the service", ""]
    lines += [f"- {_safe(f'{one.when}: {one.what}')} ({_safe(fault_fate(one))})" for one in summary.faults]
    lines += [f"- {_safe(one)}" for one in summary.workload]
    lines += ["", "### What happened to the jobs", ""]
    lines += [f"{plural(len(summary.jobs), 'job')}: {_safe(jobs_text(summary))}.", ""]
    lines += ["### What was promised", "", "| | property | |", "|---|---|---|"]
    lines += [
        f"| {MARKS[str(one.verdict)]} | {_safe(one.name)} | {_safe(one.summary)} |"
        for one in summary.properties
        if one.expected or one.verdict is Verdict.FAIL
    ]
    return [*lines, "", *_evidence(summary), *_where(summary)]


def group_markdown(group: Group) -> str:
    """`summary.md` of several runs, also for `$GITHUB_STEP_SUMMARY`; ends with a newline."""
    ran = [line for line in group.lines if line.excluded is None]
    lines = [
        f"## Unstuck {_safe(group.name)}: {group.word.upper()}",
        "",
        f"{plural(len(ran), 'run')}: {counts_text(group.counts)}, in {span(group.duration_s)}.",
        f"Seed {group.seed}, Unstuck {_safe(group.version)}.",
        "",
        *(line for note in group.notes for line in (f"> **note:** {_safe(note)}", "")),
        *_proof("defence off", group.defences),
        *_proof("history falsified", group.falsified),
        "| | run | what was done to the service | jobs | recovery | took |",
        "|---|---|---|---|---:|---:|",
        *(_row(line) for line in group.lines),
        "",
    ]
    troubled = [line for line in ran if line.word != "pass"]
    for line in troubled[:TOLD]:
        lines += [f"### {MARKS[line.word]} {_safe(line.title)}: {line.word}", ""]
        if line.error:
            lines += [_safe(line.error), ""]
        if line.summary is not None:
            lines += [*(f"- {_safe(reason)}" for reason in line.summary.reasons), ""]
            lines += [*_evidence(line.summary), *_where(line.summary), ""]
    if len(troubled) > TOLD:
        lines += [f"… and {len(troubled) - TOLD} more in the report.", ""]
    return "\n".join(lines) + "\n"


def _proof(subject: str, lines: Sequence[ProofLine]) -> list[str]:
    if not lines:
        return []
    rows = [f"| {line.word} | {_safe(line.subject)} | {line.by} | {_safe(line.where)} |" for line in lines]
    return [f"| alarm | {subject} | had to notice | where |", "|---|---|---|---|", *rows, ""]


def _row(line: RunLine) -> str:
    mark = f"{MARKS[line.word]} {line.word}"
    if line.excluded is not None:
        return f"| {mark} | {_safe(line.title)} | {_safe(line.excluded)} | | | |"
    summary = line.summary
    if summary is None:
        return f"| {mark} | {_safe(line.title)} | {_safe(line.error or '')} | | | {span(line.duration_s)} |"
    recovery = recovery_text(summary)
    done, jobs = _safe(done_text(summary)), _safe(jobs_text(summary))
    return f"| {mark} | {_safe(line.title)} | {done} | {jobs} | {recovery} | {span(line.duration_s)} |"


def _evidence(summary: Summary) -> list[str]:
    return _fenced(evidence_sheet(summary).plain().strip("\n")) if summary.broken else []


def _where(summary: Summary) -> list[str]:
    words = f"Seed {summary.seed}, Unstuck {_safe(summary.version)}."
    return [*(_fenced(summary.replay) if summary.replay else []), words]


def _fenced(text: str) -> list[str]:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)  # a fence inside the text must not end ours
    return [f"{fence}text", text, fence, ""]


def _safe(text: str) -> str:
    """Text from outside: no markup, no HTML, no link, no new cell or line."""
    return re.sub(r"([\\`*_{}\[\]()<>#|!~@&])", r"\\\1", clean(text))
