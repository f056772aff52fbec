"""What the runs of the ready-made targets showed, kept in docs/findings/seen.json: pages are made from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs/findings/seen.json"
DEFAULTS = "defaults"  # what the tables call no configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a scenario. `broken`: the classes of jobs that the promise forbids; if there are none and
    the run failed all the same, the properties that failed."""

    configuration: str
    title: str
    verdict: str
    cell: str
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial of an exploration that broke a promise. `at`: mode and place, such as `kill at worker.broker
    BRPOP celery, on its reply`."""

    at: str
    word: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """One exploration, kill and pause. `classes`: how many trials ended in which class."""

    configuration: str
    settings: str
    trials: int
    landed: int
    uncovered: int
    classes: Mapping[str, int]
    took_s: float
    broken: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Of one target, with the day of its runs and the versions that took part."""

    target: str
    date: str
    versions: Mapping[str, str]
    cases: tuple[Case, ...] = ()
    explored: tuple[Explored, ...] = ()

    def broken(self) -> Iterator[Broken]:
        """Each promise that was seen to be broken, at its place."""
        for case in self.cases:
            for kind in case.broken:
                yield Broken(
                    target=self.target,
                    configuration=case.configuration,
                    at=case.title,
                    kind=kind,
                    told=case.cell,
                )
        for explored in self.explored:
            for trial in explored.broken:
                told = trial.word.replace("_", " ") + (f" ({trial.note})" if trial.note else "")
                yield Broken(
                    target=self.target,
                    configuration=explored.configuration,
                    at=trial.at,
                    kind=trial.word,
                    told=told,
                    settings=explored.settings,
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One kind of broken promise at one place: a case, or a crash point in one mode."""

    target: str
    configuration: str
    at: str
    kind: str
    told: str
    settings: str = ""

    @property
    def explored(self) -> bool:
        return " at " in self.at

    @property
    def command(self) -> str:
        """What shows it."""
        name, _, case = self.at.partition("[")
        if self.explored:
            mode, _, place = self.at.partition(" at ")
            words = (
                f"unstuck explore --target {self.target} --points --modes {mode} --link {place.split()[0]}"
            )
        else:
            words = f"unstuck run {name} --target {self.target}"
            words += f" --case {case.rstrip(']')}" if case else ""
        words += f" --setting {self.settings}" if self.settings else ""
        return words if self.configuration == DEFAULTS else f"{words} --configuration {self.configuration}"

    def __str__(self) -> str:
        return f"{self.target} {self.configuration}: {self.at}: {self.kind}"


def read(file: Path = FILE) -> dict[str, Seen]:
    """Target -> what was seen of it; nothing where there is no file yet."""
    if not file.is_file():
        return {}
    return {name: _seen(name, one) for name, one in json.loads(file.read_text(encoding="utf-8")).items()}


def write(seen: Mapping[str, Seen], file: Path = FILE) -> None:
    """A line for each run, so that two states of the file can be compared."""
    file.write_text(spelled(seen), encoding="utf-8")


def spelled(seen: Mapping[str, Seen]) -> str:
    parts = []
    for name, one in sorted(seen.items()):
        body = [
            f'"date": {json.dumps(one.date)}',
            f'"versions": {json.dumps(one.versions)}',
            f'"cases": {_rows(one.cases)}',
            f'"explored": {_rows(one.explored)}',
        ]
        parts.append(f"{json.dumps(name)}: {{\n" + ",\n".join(body) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _rows(records: Sequence[Case | Explored]) -> str:
    lines = [json.dumps(asdict(record), ensure_ascii=False) for record in records]
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def _seen(name: str, said: Mapping[str, Any]) -> Seen:
    return Seen(
        target=name,
        date=said["date"],
        versions=said["versions"],
        cases=tuple(Case(**{**one, "broken": tuple(one["broken"])}) for one in said["cases"]),
        explored=tuple(
            Explored(**{**one, "broken": tuple(Trial(**each) for each in one["broken"])})
            for one in said["explored"]
        ),
    )
