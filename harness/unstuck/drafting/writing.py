"""From a recipe and a project to files: what is known is filled in, what is not is marked TODO.

In the files of a recipe's `draft` folder

    <<name>>                  is the value of `name`
    <<name?>>                 stands in a line that is left out when there is none
    <<todo name: text>>       is `TODO: text` when there is none; else its line is left out
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unstuck.drafting.project import App, Project, Task
from unstuck.drafting.recipes import Recipe
from unstuck.errors import UsageError
from unstuck.rundir import disk
from unstuck.targets.declared.inherited import looks_like_address
from unstuck.targets.ready import FILE

_KEY = re.compile(r"^\s+([A-Z][A-Z0-9_]*):", re.MULTILINE)
_PLACE = re.compile(r"<<(\w+)>>")
_IF = re.compile(r"<<(\w+)\?>>")
_TODO = re.compile(r"<<todo (\w+): (.*?)>>")
_RESULTS = re.compile(r"RESULT|BACKEND", re.IGNORECASE)
_BROKERS = re.compile(
    r"BROKER|REDIS|VALKEY|AMQP|RABBIT|CELERY|QUEUE|RQ|DRAMATIQ|HUEY|ARQ|KOMBU", re.IGNORECASE
)
OURS = frozenset({"task", "seconds", "poison"})  # what a submission takes besides
QUEUE = ("task_default_queue", "celery_task_default_queue")  # settings of Celery
LEASE = ("visibility_timeout",)
LEASE_S = "3600"  # Celery's own: docs.celeryq.dev, backends and brokers, Redis
GUESSES: Mapping[str, str] = {"str": "unstuck", "float": "0.1", "bool": "false"}  # by annotation; else 1
_URL = re.compile(r"URL|URI|DSN|BROKER$|BACKEND$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Files to write, by path, the target file first; and what was found, for whoever reads it."""

    files: Mapping[Path, str]
    told: tuple[str, ...]
    todos: int


def draft(
    recipe: Recipe, project: Project, place: Path, *, app: App | None = None, task: Task | None = None
) -> Draft:
    """What `write` would write for a project. `place`: the target file's path; others go beside it.

    `app` and `task`: those that were chosen; None: the first that fits, if any does.
    """
    if not recipe.adapts:
        files = {place.with_name(path.name): _read(path) for path in recipe.files()}
        files = {place if path.name == FILE else path: text for path, text in files.items()}
        told = (f"the ready-made target {recipe.name}, with its program: not adapted to this project",)
        return Draft(files=files, told=told, todos=0)
    app = app or next(iter(apps_of(recipe, project)), None)
    task = task or next(iter(tasks_of(recipe, project)), None)
    texts = {path.name: _read(path) for path in recipe.files()}
    values = _values(recipe, project, app, task)
    there = set(_KEY.findall(texts[FILE]))
    values["variables"] = "\n".join(
        _variables(recipe.urls, [one for one in project.variables if one not in there])
    )
    files = {
        place if name == FILE else place.with_name(name): render(text, values) for name, text in texts.items()
    }
    return Draft(
        files=files,
        told=tuple(_told(project, app, task, len(tasks_of(recipe, project)))),
        todos=sum(text.count("TODO") for text in files.values()),
    )


def apps_of(recipe: Recipe, project: Project) -> list[App]:
    """What may be the project's application of this system, in the order of its modules."""
    return [one for one in project.apps if one.call in recipe.app]


def tasks_of(recipe: Recipe, project: Project) -> list[Task]:
    """Its tasks, those first that need no arguments."""
    found = [one for one in project.tasks if one.decorator in recipe.tasks]
    return sorted(found, key=lambda one: len(one.parameters))


def render(text: str, values: Mapping[str, str]) -> str:
    """The text with its places filled in. Raises KeyError for a place that nobody knows: our mistake."""
    lines: list[str] = []
    for line in text.splitlines():
        todo = _TODO.search(line)
        if todo is not None:
            if not values[todo[1]]:
                lines.append(_TODO.sub(lambda match: f"TODO: {match[2]}", line))
            continue
        needed = _IF.search(line)
        if needed is not None and not values[needed[1]]:
            continue
        indent = " " * (len(line) - len(line.lstrip()))
        filled = _PLACE.sub(lambda match: values[match[1]], _IF.sub("", line)).rstrip()
        lines.append(filled.replace("\n", f"\n{indent}"))
    return "\n".join(lines) + "\n"


def write(files: Mapping[Path, str], *, force: bool) -> None:
    """Writes all files, or none: raises `UsageError` when one is there and may not be written over."""
    there = [path for path in files if os.path.lexists(path)]
    if there and not force:
        names = ", ".join(map(str, there))
        raise UsageError(f"{names}: is there already. Write elsewhere, or over it with --force.")
    for path, text in files.items():
        with disk(path, doing="written", advice="Give a folder that can be written to."):
            path.write_text(text, encoding="utf-8")


def _values(recipe: Recipe, project: Project, app: App | None, task: Task | None) -> dict[str, str]:
    needs = () if task is None else [one for one in task.parameters if one[0] not in OURS]
    lease_s = _option(project, LEASE, LEASE_S).removesuffix(".0")
    lease_s = lease_s if lease_s.isdecimal() else LEASE_S
    modules = dict.fromkeys(one.module for one in tasks_of(recipe, project))
    return {
        "name": re.sub(r"[^A-Za-z0-9._-]+", "-", project.folder.name).strip("-._") or "service",
        "system": recipe.name,
        "python": project.python or "",
        "source": "" if project.source == "." else project.source,
        "app": f"{app.module}:{app.variable}" if app else "",
        "app_module": app.module if app else "",
        "app_variable": app.variable if app else "",
        "app_or_guess": f"{app.module}:{app.variable}" if app else "app",
        "task": task.name if task else "",
        "task_or_guess": task.name if task else "tasks.work",
        "task_module": task.module if task else "tasks",
        "task_function": task.function if task else "work",
        "celery_queue": _option(project, QUEUE, "celery"),
        "celery_lease_s": lease_s,
        "celery_recovery_s": str(int(lease_s) + 100),
        "modules": " ".join(modules) or "tasks",
        "task_modules": ", ".join(f'"{one}"' for one in modules) or '"tasks"',
        "arguments": "" if needs else "none",
        "values": "".join(f", {name}: {GUESSES.get(kind, '1')}" for name, kind in needs),
    }


def _option(project: Project, names: Sequence[str], usual: str) -> str:
    return next((project.options[name] for name in names if project.options.get(name)), usual)


def _variables(urls: tuple[str, str], names: Sequence[str]) -> Sequence[str]:
    """Lines of `environment` for what the project itself reads of brokers and databases."""
    lines = []
    for name in names:
        if not looks_like_address(name, ""):
            continue
        if _BROKERS.search(name) and _URL.search(name):
            lines.append(f'{name}: "{urls[1] if _RESULTS.search(name) else urls[0]}"')
        elif _RESULTS.search(name) and _URL.search(name):
            lines.append(f'{name}: "{urls[1]}"')
        elif _BROKERS.search(name) and name.upper().endswith("HOST"):
            lines.append(f'{name}: "{{broker.host}}"')
        elif _BROKERS.search(name) and name.upper().endswith("PORT"):
            lines.append(f'{name}: "{{broker.port}}"')
        else:
            lines.append(f'# TODO: {name}: the project reads it; name a dependency, as "{{broker}}" above')
    return lines


def _told(project: Project, app: App | None, task: Task | None, tasks: int) -> Sequence[str]:
    others = f", one of {tasks}: `submit.values` says which" if tasks > 1 else ""
    told = [
        f"application {app.module}:{app.variable}" if app else "no application was found",
        f"task {task.name}({', '.join(name for name, _ in task.parameters)}){others}"
        if task
        else "no task was found",
    ]
    if project.python is not None:
        told.append(f"its own Python, {project.python}")
    if project.source != ".":
        told.append(f"modules in {project.source}/")
    return told


def _read(path: Path) -> str:
    with disk(path, doing="read", advice="Install Unstuck again."):
        return path.read_text(encoding="utf-8")
