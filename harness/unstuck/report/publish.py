"""Writes the reports into the folder of a run, or of a group of runs."""

from __future__ import annotations

import os
from pathlib import Path

from unstuck import __version__
from unstuck.checks import PROPERTIES
from unstuck.checks.story import Story, data_of, text_of
from unstuck.checks.verdict import RunVerdict
from unstuck.history import read_history
from unstuck.report.as_json import group_json, points_json, reproduction_json, run_json
from unstuck.report.group import Group, RunLine
from unstuck.report.group_page import group_html
from unstuck.report.junit import junit_xml
from unstuck.report.markdown import group_markdown, run_markdown
from unstuck.report.model import Summary
from unstuck.report.points import PointsTable
from unstuck.report.points_page import points_html
from unstuck.report.reproduction import Reproduction
from unstuck.report.reproduction_page import reproduction_html
from unstuck.report.run_page import run_html
from unstuck.report.summary import Circumstances, summarise
from unstuck.rundir import GroupFolder, RunFolder, write
from unstuck.scenario import Scenario


def shown(path: Path) -> str:
    """A path as somebody in the current folder would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def summarise_run(folder: RunFolder, scenario: Scenario, verdict: RunVerdict) -> Summary:
    """A recorded run in words. Raises `UsageError` when its history cannot be read."""
    story = Story(read_history(folder.history))
    start = data_of(story.run.start)
    off = start.get("defences_off")
    around = Circumstances(
        seed=int(start.get("seed", 0)),
        version=str(start.get("version", __version__)),
        date=text_of(story.run.start, "date"),
        folder=shown(folder.path),
        target=text_of(story.run.start, "target"),
        defences_off=tuple(map(str, off)) if isinstance(off, list) else (),
        logs=tuple(f"logs/{path.name}" for path in folder.log_files()),
    )
    promises = {one.NAME: one.PROMISE for one in PROPERTIES}
    return summarise(scenario, story, verdict, promises, around)


def publish_run(folder: RunFolder, line: RunLine) -> None:
    """Writes `verdict.json`, `junit.xml`, `summary.md` and `report.html`. Raises `UsageError`."""
    write(folder.verdict, run_json(line))
    write(folder.junit, junit_xml(line.title, [line]))
    write(folder.summary, run_markdown(line))
    write(folder.report, run_html(line))


def publish_group(folder: GroupFolder, group: Group) -> None:
    """Writes `group.json`, `junit.xml`, `summary.md` and `report.html`. Raises `UsageError`."""
    write(folder.data, group_json(group))
    write(folder.junit, junit_xml(group.name, group.lines))
    write(folder.summary, group_markdown(group))
    write(folder.report, group_html(group))


def publish_points(folder: GroupFolder, table: PointsTable) -> None:
    """Writes `points.json` and `points.html`. Raises `UsageError`."""
    write(folder.points_data, points_json(table))
    write(folder.points, points_html(table))


def publish_reproduction(folder: GroupFolder, told: Reproduction) -> None:
    """Writes `reproduction.json` and `reproduction.html`. Raises `UsageError`."""
    write(folder.path / "reproduction.json", reproduction_json(told))
    write(folder.path / "reproduction.html", reproduction_html(told))
