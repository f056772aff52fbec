"""Saves a scenario that failed as a file that says where it came from and how to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from unstuck import rundir
from unstuck.scenario import Scenario
from unstuck.scenario_writer import dump

FOUND: Final = "found"  # in the folder of reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a scenario came from: the seed it was drawn by, its number, and what it was found to break."""

    seed: int
    number: int
    broken: Sequence[str]  # properties
    run_seed: int = 1  # of the run that failed
    defences_off: Sequence[str] = ()
    world: str = "process"
    drawn_as: str | None = None  # the name before it was made smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """`command` runs it on real processes, with the defences off that were off when it failed."""

    path: Path
    command: str


def save(scenario: Scenario, reports: Path, origin: Origin) -> Saved:
    """Writes `<reports>/found/<name>.yaml`. Raises `UsageError` when the disk does not take it."""
    folder = reports / FOUND
    with rundir.disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{scenario.name}.yaml"
    command = command_for(path, origin)
    rundir.write(path, dump(scenario, header=[*_words(origin), f"Run it: {command}"]))
    return Saved(path=path, command=command)


def command_for(path: Path, origin: Origin) -> str:
    words = ["unstuck", "run", str(path), "--seed", str(origin.run_seed)]
    for defence in origin.defences_off:
        words += ["--defence-off", defence]
    return shlex.join(words)


def _words(origin: Origin) -> list[str]:
    lines = [f"Generated: seed {origin.seed}, number {origin.number}."]
    if origin.drawn_as is not None:
        lines.append(f"Drawn as {origin.drawn_as}, then made smaller.")
    if origin.broken:
        off = f" with {', '.join(origin.defences_off)} off" if origin.defences_off else ""
        lines.append(f"Failed in the {origin.world} world{off} by: {', '.join(origin.broken)}.")
    return lines
