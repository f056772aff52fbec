"""`unstuck init`: writes a target file for a project, and says what it found and what is left to do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from unstuck.cli.choosing import FILE
from unstuck.cli.console import screen_width, show
from unstuck.cli.output import say
from unstuck.drafting import Draft, Recipe, draft, fitting, look_at_project, recipes, write
from unstuck.drafting.writing import apps_of, tasks_of
from unstuck.errors import ExitCode, UsageError, did_you_mean
from unstuck.report.sheet import Sheet, Span
from unstuck.targets.declared.reading import load_target

T = TypeVar("T")
SHOWN = 3  # places where a project shows a system
CHOICES_MAX = 9


def execute(chosen: argparse.Namespace) -> ExitCode:
    """Looks, asks on a terminal where nothing says what, writes, and tells."""
    known = recipes()
    if chosen.list:
        show(_list(known.values()))
        return ExitCode.PASS
    place = _place(chosen.path)
    project = look_at_project(place.parent)
    found = fitting(project, [*known.values()])
    recipe = _recipe(chosen.system, known, found)
    app = _ask(
        "Which is its application?", apps_of(recipe, project), lambda one: f"{one.module}:{one.variable}"
    )
    task = _ask("Which task may be run again and again?", tasks_of(recipe, project), lambda one: one.name)
    made = draft(recipe, project, place, app=app, task=task)
    write(made.files, force=chosen.force)
    load_target(place)  # what we write has to be right: if not, it is told with its line
    shown = next((mentions for one, mentions in found if one.name == recipe.name), [])
    show(_sheet(recipe, made, [f"{one.file}:{one.line}" for one in shown], place))
    return ExitCode.PASS


def _place(path: Path) -> Path:
    """The file to write. Raises `UsageError` for a folder that is not there."""
    place = path if path.suffix in (".yaml", ".yml") else path / FILE
    if not place.parent.is_dir():
        raise UsageError(f"{place.parent}: is no folder. Give the folder of the project.")
    return place


def _recipe(named: str | None, known: dict[str, Recipe], found: Sequence[tuple[Recipe, object]]) -> Recipe:
    """As `--from` says, else as the project shows, else as is asked."""
    if named is not None:
        if named in known:
            return known[named]
        close = [name for name in known if name.split("-")[0] == named]
        if close:  # `--from celery`: the first of them, unless the project shows another
            shown = [recipe for recipe, _ in found if recipe.name in close]
            return shown[0] if shown else known["celery-redis" if "celery-redis" in close else close[0]]
        raise UsageError(f"--from {named!r}: no such system.{did_you_mean(named, known)}")
    if found:
        return found[0][0]
    chosen = (
        _ask("Which job system does it use?", [*known.values()], lambda one: one.name)
        if _terminal()
        else None
    )
    if chosen is None:
        raise UsageError(
            "nothing here shows which job system this project uses. "
            f"Say it by --from: {', '.join(known)}; docs/your-own-service.md shows files for others."
        )
    return chosen


def _ask(question: str, choices: Sequence[T], spell: object) -> T | None:
    """The one that is chosen: the only one, or the first where nobody can be asked; None: there is none."""
    assert callable(spell)
    if len(choices) < 2 or not _terminal():
        return choices[0] if choices else None
    shown = choices[:CHOICES_MAX]
    say(f"{question}\n")
    for number, one in enumerate(shown, 1):
        say(f"  {number}  {spell(one)}\n")
    while True:
        say("Number [1]: ")
        answer = sys.stdin.readline().strip() or "1"
        if answer.isdecimal() and 1 <= int(answer) <= len(shown):
            return shown[int(answer) - 1]
        say(f"  a number from 1 to {len(shown)}, please\n")


def _terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def _list(known: object) -> Sheet:
    sheet = Sheet(width=screen_width())
    for recipe in known:  # type: ignore[attr-defined]  # the values of a mapping
        how = "adapted to the project" if recipe.adapts else "copied, with its program"
        sheet.line(Span(f"{recipe.name:<22}", "bold"), how)
    return sheet


def _sheet(recipe: Recipe, made: Draft, shown: Sequence[str], place: Path) -> Sheet:
    sheet = Sheet(width=screen_width())
    why = f", shown by {', '.join(shown[:SHOWN])}" if shown else ""
    sheet.paragraph(f"{recipe.name}{why}", first=Span("Found   ", "dim"))
    for text in made.told:
        sheet.paragraph(text, first="        ")
    for path in made.files:
        sheet.whole(Span("Wrote   ", "dim"), str(path))
    if made.todos:
        sheet.paragraph(
            f"{made.todos} marked TODO in these files: unstuck doctor names them",
            first=Span("Left    ", "yellow"),
        )
    where = "" if place == Path(FILE) else f" --target {place}"
    sheet.whole(Span("Next    ", "dim"), f"unstuck doctor{where}")
    return sheet
