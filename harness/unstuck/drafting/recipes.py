"""The job systems that a draft can begin from: each ready-made target, with what a project shows of it.

A folder of `targets/` is one. If it has a folder `draft`, that holds `recognise.toml` and the files to
write, with places for what the project calls things; else the ready-made target itself is copied, and it
is recognised by its name. So a new ready-made target needs nothing here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unstuck.drafting.project import Mention, Project
from unstuck.errors import HarnessError
from unstuck.targets.ready import FILE, SCENARIOS, ready_folder

DRAFT = "draft"
RECOGNISE = "recognise.toml"
PLAIN = "redis"  # what a project most likely uses that does not say which; a wheel brings the server
URLS = ("redis://{broker}/0", "redis://{broker}/1")
PACKAGE, NEAR = 4, 1  # how much it says that the project names the system; that it names its broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One system. `packages`: names by which a project shows it; `near`: words that tell those apart which
    share them (`redis`, `rabbitmq`); `app`: calls that make its application; `tasks`: decorators; `shares`:
    the system whose files it writes as well, where it has none of that name."""

    name: str
    folder: Path
    packages: tuple[str, ...]
    near: tuple[str, ...] = ()
    app: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    urls: tuple[str, str] = URLS  # of broker and results, in the draft
    shares: str | None = None
    adapts: bool = False  # to the project; False: the ready-made target is copied as it is

    def files(self) -> Sequence[Path]:
        """What is to be written, the target file first."""
        folder = self.folder / DRAFT if self.adapts else self.folder
        folders = [folder] if self.shares is None else [self.folder.parent / self.shares / DRAFT, folder]
        found = {
            path.name: path
            for one in folders
            for path in sorted(one.iterdir())
            if path.is_file() and path.name != RECOGNISE
        }
        return sorted(found.values(), key=lambda path: (path.name != FILE, path.name))


def recipes() -> dict[str, Recipe]:
    """All, by name."""
    folders = [path for path in sorted(ready_folder().iterdir()) if path.is_dir() and path.name != SCENARIOS]
    found = [
        _recipe(folder)
        for folder in folders
        if (folder / FILE).is_file() or (folder / DRAFT / FILE).is_file()
    ]
    return {one.name: one for one in found}


def fitting(project: Project, known: Sequence[Recipe]) -> list[tuple[Recipe, list[Mention]]]:
    """Those that the project shows, the likeliest first, each with where it shows it."""
    scored: list[tuple[int, Recipe, list[Mention]]] = []
    for recipe in known:
        shown = project.mentions(recipe.packages)
        if shown:
            score = PACKAGE * len({one.word for one in shown}) + NEAR * len(project.near(recipe.near))
            scored.append((score, recipe, shown))
    scored.sort(key=lambda one: (-one[0], not one[1].adapts, PLAIN not in one[1].near))
    return [(recipe, shown) for _, recipe, shown in scored]


def _recipe(folder: Path) -> Recipe:
    name = folder.name
    words = tuple(name.split("-"))
    file = folder / DRAFT / RECOGNISE
    if not file.is_file():
        return Recipe(name=name, folder=folder, packages=words[:1], near=words[1:])
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
        broker, results = said.get("urls", URLS)
        return Recipe(
            name=name,
            folder=folder,
            packages=tuple(said["packages"]),
            near=tuple(said.get("near", ())),
            app=tuple(said.get("app", ())),
            tasks=tuple(said.get("tasks", ())),
            urls=(broker, results),
            shares=said.get("shares"),
            adapts=True,
        )
    except (OSError, ValueError, LookupError) as error:
        raise HarnessError(f"{file}: {error!r}. This is a mistake in Unstuck's own files.") from None
