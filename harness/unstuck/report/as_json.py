"""The verdict for programs: `verdict.json` of a run, `group.json` of several."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from unstuck.report.group import Group, RunLine
from unstuck.report.points import PointsTable
from unstuck.report.reproduction import Reproduction

FORMAT: Final = 1


def run_json(line: RunLine) -> str:
    """`verdict.json`: the whole summary, so that no program has to read a page. Ends with a newline."""
    summary = line.summary
    return _dump(
        {
            "format": FORMAT,
            "title": line.title,
            "verdict": line.word,
            "exit_code": int(line.exit_code),
            "error": line.error,
            "duration_s": round(line.duration_s, 3),
            "replay": summary.replay if summary else None,
            "summary": _plain(summary) if summary else None,
        }
    )


def group_json(group: Group) -> str:
    """`group.json`: a row for each run; the details are in the runs' own folders."""
    rows = [
        {
            "title": line.title,
            "verdict": line.word,
            "exit_code": int(line.exit_code),
            "error": line.error,
            "excluded": line.excluded,
            "folder": line.folder,
            "duration_s": round(line.duration_s, 3),
            "recovery_s": line.summary.recovery_s if line.summary else None,
            "jobs": dict(line.summary.states) if line.summary else {},
            "reasons": list(line.summary.reasons) if line.summary else [],
        }
        for line in group.lines
    ]
    return _dump(
        {
            "format": FORMAT,
            "name": group.name,
            "verdict": group.word,
            "exit_code": int(group.exit_code),
            "counts": dict(group.counts),
            "proof": {"defences": _plain(group.defences), "falsified": _plain(group.falsified)},
            "seed": group.seed,
            "version": group.version,
            "date": group.date,
            "duration_s": round(group.duration_s, 3),
            "notes": list(group.notes),
            "runs": rows,
        }
    )


def reproduction_json(told: Reproduction) -> str:
    """`reproduction.json`: both runs in short, side by side; their folders have the rest."""
    runs = {}
    for name, line in (("before", told.before), ("after", told.after)):
        summary = line.summary
        runs[name] = {
            "verdict": line.word,
            "exit_code": int(line.exit_code),
            "error": line.error,
            "folder": line.folder,
            "duration_s": round(line.duration_s, 3),
            "jobs": dict(summary.states) if summary else {},
            "classes": dict(summary.outcomes) if summary else {},
            "failed": [one.name for one in summary.properties if one.verdict == "fail"] if summary else [],
            "recovery_s": summary.recovery_s if summary else None,
            "timeline": [{"at": at, "what": what} for at, what in told.moments(line)],
        }
    return _dump(
        {
            "format": FORMAT,
            "incident": told.incident,
            "verdict": told.word,
            "exit_code": int(told.exit_code),
            "reproduced": told.reproduced,
            "conclusion": told.conclusion(),
            "happened": told.happened,
            "defences_off": list(told.defences_off),
            "fails": list(told.fails),
            "jobs": told.jobs,
            "world": told.world,
            "seed": told.seed,
            "version": told.version,
            "date": told.date,
            "duration_s": round(told.duration_s, 3),
            "again": told.command,
            "runs": runs,
        }
    )


def points_json(table: PointsTable) -> str:
    """`points.json`: the table of crash points, for programs."""
    landed, reconciled = table.sums()
    return _dump(
        {
            "format": FORMAT, "verdict": table.word, "exit_code": int(table.exit_code), "landed": landed,
            "reconciled": reconciled, **_plain(table),
        }
    )  # fmt: skip


def _dump(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None  # JSON has no infinity
    return value if value is None or isinstance(value, bool | int) else str(value)
