"""Reads back what a comparison needs of a recorded run, or of a group of runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from unstuck.checks.story import Story, data_of
from unstuck.compare.recoveries import Recoveries, recoveries
from unstuck.errors import UsageError
from unstuck.history import read_history
from unstuck.rundir import GroupFolder, RunFolder, disk, open_any

FORMAT: Final = 1  # of verdict.json, group.json and plan.json alike
_ADVICE = "Give the folder of a run that came to its end, or of a gate."


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One recorded run. `summary` is what `verdict.json` has; empty when nothing could be judged."""

    title: str
    verdict: str
    error: str | None
    summary: Mapping[str, Any]
    plan: Mapping[str, Any]
    scenario: str  # the text of its file; empty when it was not kept
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the run itself: world, target, expect
    recoveries: Recoveries = field(default_factory=Recoveries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What one argument named: runs by title. `excluded`: titles that were not run, with the reason."""

    folder: Path
    is_group: bool
    runs: Mapping[str, Run]
    excluded: Mapping[str, str] = field(default_factory=dict)


def read_recording(path: Path, *, reports: Path) -> Recording:
    """A run's folder, a group's, a name in `reports`, or `latest`. Raises `UsageError`."""
    folder = open_any(path, reports=reports)
    if isinstance(folder, RunFolder):
        run = read_run(folder)
        return Recording(folder=folder.path, is_group=False, runs={run.title: run})
    return _group(folder)


def read_run(folder: RunFolder, title: str | None = None) -> Run:
    """Raises `UsageError` when it was not judged, or what it left cannot be read."""
    verdict = _json(folder.verdict)
    summary = verdict.get("summary") or {}
    if not isinstance(summary, dict):
        raise UsageError(f"{folder.verdict}: summary={summary!r} must be an object. {_ADVICE}")
    plan = _json(folder.plan) if folder.plan.exists() else {}
    text = ""
    if folder.scenario.exists():
        with disk(folder.scenario, doing="read", advice=_ADVICE):
            text = folder.scenario.read_text(encoding="utf-8", errors="replace")
    settings: dict[str, Any] = {}
    times = Recoveries()
    if folder.history.exists():
        story = Story(read_history(folder.history))
        start = data_of(story.run.start)
        names = ("world", "target", "expect", "budget_s", "promise", "defences_off")
        settings = {name: start.get(name) for name in names}
        times = recoveries(story)
    return Run(
        title=title or str(verdict.get("title")),
        verdict=str(verdict.get("verdict")),
        error=verdict.get("error"),
        summary=summary,
        plan=plan,
        scenario=text,
        settings=settings,
        recoveries=times,
    )


def _group(folder: GroupFolder) -> Recording:
    runs: dict[str, Run] = {}
    excluded: dict[str, str] = {}
    rows = _json(folder.data).get("runs")
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict):
            raise UsageError(f"{folder.data}: runs: {row!r} must be an object. {_ADVICE}")
        title = str(row.get("title"))
        if row.get("excluded") is not None:
            excluded[title] = str(row["excluded"])
        elif row.get("folder") is None:
            runs[title] = Run(
                title=title, verdict=str(row.get("verdict")), error=row.get("error"),
                summary={}, plan={}, scenario="",
            )  # fmt: skip
        else:
            runs[title] = read_run(RunFolder(path=folder.path / str(row["folder"])), title)
    return Recording(folder=folder.path, is_group=True, runs=runs, excluded=excluded)


def _json(path: Path) -> Mapping[str, Any]:
    with disk(path, doing="read", advice=_ADVICE):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is not JSON ({error}). {_ADVICE}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: must hold a JSON object. {_ADVICE}")
    if data.get("format") != FORMAT:
        raise UsageError(f"{path}: format={data.get('format')!r} is unknown; this Unstuck reads {FORMAT}.")
    return data
