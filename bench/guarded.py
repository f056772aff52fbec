"""The files that a figure depends on: scenarios by name, and the code of a defence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from bench.claims.runs import ROOT
from unstuck.cli.inputs import bundled
from unstuck.scenario_file import load
from unstuck.targets.reference.names import catalogue

DECLARED = "domain.py"  # where every defence is named, and none is made


def code_of(defences: Iterable[str]) -> list[str]:
    """The modules of the reference service that ask whether one of these defences is on."""
    words = [f"Defence.{defence.upper()}" for defence in defences]
    found = []
    for path in sorted((ROOT / "reference_service").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.name != DECLARED and any(word in text for word in words):
            found.append(str(path.relative_to(ROOT)))
    return found


def scenario_file(name: str) -> str:
    """Of the bundled scenario of that name. Raises `KeyError`."""
    return str(bundled()[name].absolute().relative_to(ROOT))


def files_of(command: str) -> list[str]:
    """What a command runs: scenarios that it names, and defences that these guard or that it takes away."""
    words = command.split()
    known = bundled()
    paths = [known[word] for word in dict.fromkeys(words) if word in known]
    defences = {after for word, after in pairwise(words) if word == "--defence-off"}
    for path in paths:
        defences |= set(_defences(path))
    return [*(scenario_file(path.stem) for path in paths), *code_of(sorted(defences))]


def _defences(path: Path) -> Iterator[str]:
    case = load(path, catalogue()).base_case()
    yield from (guard.defence for guard in case.guards)
    if case.before is not None:
        yield from case.before.defences_off
