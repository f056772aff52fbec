"""`unstuck retry-stuck`: asks a running system to take up its stuck jobs again; nothing without `--yes`."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from unstuck.cli.console import screen_width, show
from unstuck.cli.find_stuck import (
    entry,
    head,
    look,
    opened,
    places_of,
    say_json,
    summary,
    target_of,
    tell_gaps,
)
from unstuck.errors import ExitCode, TargetError, UsageError
from unstuck.report.sheet import Sheet, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unstuck.stuck import Judged, Rescued
    from unstuck.targets.declared.file import TargetFile

STYLES = {"triggered": "green", "would trigger": "green", "skipped": "yellow", "failed": "red"}


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Looks, asks, prints the summary: found, triggered, skipped and why, failed."""
    if chosen.yes and chosen.dry_run:
        raise UsageError("--yes and --dry-run: one does it, the other does not. Keep one.")
    _, file = target_of(chosen)
    if file.rescue is None:
        raise TargetError(
            f"target {file.name!r} declares no `rescue`: nobody can be asked. Add a call with {{job}} to it."
        )
    from unstuck.stuck import rescue_all  # noqa: PLC0415  heavy

    named = frozenset(chosen.job)
    with opened(chosen, file, acts=chosen.yes) as system:
        judged = only(look(chosen, system), named)
        done = rescue_all(
            file, system.acting, judged, lambda: look(chosen, system), named=named, dry_run=not chosen.yes
        )
        places = places_of(system)
    if chosen.json:
        say_json({**head(chosen, file, places), "dry_run": not chosen.yes, **as_json(judged, done, named)})
    else:
        show(sheet_of(file, places, judged, done, chosen))
    return ExitCode.FAIL if any(one.outcome == "failed" for one in done) else ExitCode.PASS


def only(judged: Judged, named: frozenset[str]) -> Judged:
    """Of the jobs that were named; without names, of all."""
    from unstuck.stuck import Judged  # noqa: PLC0415  heavy

    if not named:
        return judged
    return Judged(
        stuck=tuple(one for one in judged.stuck if one.job.job in named),
        others=tuple((job, why) for job, why in judged.others if job.job in named),
    )


def as_json(judged: Judged, done: Sequence[Rescued], named: frozenset[str]) -> dict[str, Any]:
    """The summary, for programs: a list for each outcome, and why."""
    return {
        "found": len(judged.stuck),
        **{
            key: [
                {**entry(one.found), **({"why": one.why} if one.why else {})}
                for one in done
                if one.outcome in outcomes
            ]
            for key, outcomes in (
                ("triggered", ("triggered",)), ("would_trigger", ("would trigger",)), ("failed", ("failed",)),
            )
        },
        "skipped": [
            *({**entry(one.found), "why": one.why} for one in done if one.outcome == "skipped"),
            *({"id": job.job, "state": job.state, "why": why} for job, why in judged.others),
            *({"id": job, "state": None, "why": "not among the jobs that have not ended"}
              for job in _unknown(judged, named)),
        ],
    }  # fmt: skip


def sheet_of(
    file: TargetFile,
    places: Sequence[str],
    judged: Judged,
    done: Sequence[Rescued],
    chosen: argparse.Namespace,
) -> Sheet:
    """A line for each job that was found or named, then the counts."""
    sheet = Sheet(width=screen_width())
    sheet.paragraph(f"{file.name}: {', '.join(places) or 'what its calls reach'}")
    for one in done:
        text = f"{one.found.job.job}{f': {one.why}' if one.why else ''}"
        sheet.paragraph(text, first=Span(f"  {one.outcome:<14}", STYLES[one.outcome]))
    if chosen.job:
        told: dict[str, str] = {job.job: why for job, why in judged.others}
        told |= dict.fromkeys(
            _unknown(judged, frozenset(chosen.job)), "not among the jobs that have not ended"
        )
        for job, why in told.items():
            sheet.paragraph(f"{job}: {why}", first=Span(f"  {'skipped':<14}", STYLES["skipped"]))
    counts: Counter[str] = Counter(one.outcome for one in done)
    parts = [f"{counts[outcome]} {outcome}" for outcome in STYLES if counts[outcome]]
    found = f"{len(judged.stuck)} found"
    sheet.paragraph(f"{found}: {', '.join(parts)}" if parts else found)
    tell_gaps(sheet, file)
    if not done:
        sheet.paragraph(summary(judged, chosen.age_minutes))
    elif not chosen.yes:
        sheet.blank()
        sheet.paragraph("Nothing was changed. Add --yes to ask for them.")
    return sheet


def _unknown(judged: Judged, named: frozenset[str]) -> list[str]:
    seen = {one.job.job for one in judged.stuck} | {job.job for job, _ in judged.others}
    return sorted(named - seen)
