"""The lines of the checklist that a life on one SQLite file gives, and the one on the versions' words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unstuck.errors import TargetError
from unstuck.report.words import plural
from unstuck.targets.reference.sqlite_upgrade import SqliteFile, open_jobs
from unstuck.verify.checklist import Line, LineState

SQLITE = "SQLite"
BOTH = "both"
NO_PROCESSES = (
    "two processes of different versions at once were not run: a SQLite file has one writer and one machine, "
    "and each version had its turns instead"
)
Wheel = Path | None  # an unpacked version; None: this checkout


def sqlite_lines(folder: Path, old: Wheel, new: Wheel, revisions: tuple[str, str]) -> Sequence[Line]:
    """Migrated in the midst of jobs, worked on by turns, taken back, and put back from a back-up."""
    acts = _Acts(folder, old, new, revisions)
    steps: Sequence[tuple[str, str, Callable[[], Sequence[str]]]] = (
        ("back-up", "The file is backed up in the midst of jobs", acts.begin_and_back_up),
        ("migrate", "The file is migrated with jobs in every state", acts.migrate),
        ("side-by-side", "Old and new versions work on the file by turns, and each job ends", acts.by_turns),
        ("downgrade", "The schema is taken back, and the old version goes on", acts.take_back),
        ("restore", "The older back-up is put back: no job sticks, none is doubled", acts.restore),
    )  # fmt: skip
    lines: list[Line] = []
    for id_, says, step in steps:
        if any(line.state is LineState.BROKEN for line in lines):
            lines.append(_line(id_, says, LineState.NOT_PROVED, ["a step before it failed"], folder))
            continue
        try:
            evidence = step()
        except (TargetError, _Broken) as error:
            lines.append(_line(id_, says, LineState.BROKEN, [str(error)], folder))
        else:
            lines.append(_line(id_, says, LineState.OK, evidence, folder))
    lines.append(_line("processes", "Both versions run at once", LineState.CANNOT, [NO_PROCESSES], folder))
    return lines


def words_line(folder: Path, old: Wheel, new: Wheel, enums: Sequence[str] | None) -> Line:
    """What the new version may have written when the old one comes back. A column of text takes any word, so
    that nothing has to be taken back from the schema; whether the old version can read it is tried.

    `enums`: the enumerated types that PostgreSQL has after the migration; None: nobody looked.
    """
    says = "Words that only the new version writes do no harm to the old one"
    file = SqliteFile(folder)
    try:
        known, may = file.play("words", old), file.play("words", new)
        fresh = {kind: sorted(set(may[kind]) - set(known[kind])) for kind in ("state", "reason")}
        told = _enums(enums)
        if not any(fresh.values()):
            evidence = ["the new version has no state and no reason that the old one does not know", *told]
            return _line("words", says, LineState.OK, evidence, folder, BOTH)
        file.migrate(old)
        file.play("begin", old)
        for kind, some in fresh.items():
            for word in some:
                file.plant(kind, word)
        listed = ", ".join(f"{kind}={word}" for kind, some in fresh.items() for word in some)
        told = [f"cannot be taken back from rows: {listed}", *told]
    except TargetError as error:
        return _line("words", says, LineState.NOT_PROVED, [str(error)], folder, BOTH)
    try:
        found = file.play("read", old)
    except TargetError as error:
        told.append(f"the old version fails on a row that carries one: {error}")
        return _line("words", says, LineState.BROKEN, told, folder, BOTH)
    told.append(
        f"the old version shows {plural(found['shown'], 'job')} and sweeps, with such rows among them"
    )
    return _line("words", says, LineState.OK, told, folder, BOTH)


def _enums(enums: Sequence[str] | None) -> list[str]:
    if enums is None:
        return []
    if not enums:
        return ["the schema has no enumerated type: a downgrade has no value to remove"]
    return [f"PostgreSQL removes no value of an enumerated type: {', '.join(enums)}"]


class _Broken(Exception):  # noqa: N818  the text is the message
    """What a version did is not what it should have."""


class _Acts:
    """The acts, in their order."""

    def __init__(self, folder: Path, old: Wheel, new: Wheel, revisions: tuple[str, str]) -> None:
        self._file, self._old, self._new, self._revisions = SqliteFile(folder), old, new, revisions
        self._backup = folder / "backup.db"

    def begin_and_back_up(self) -> Sequence[str]:
        self._file.migrate(self._old)
        begun = self._file.play("begin", self._old)
        size = self._file.back_up(self._backup)
        return [f"{size} bytes, with jobs {', '.join(sorted(set(begun['states'].values())))}"]

    def migrate(self) -> Sequence[str]:
        said = self._file.migrate(self._new)
        read = self._file.play("read", self._old)
        return [said, f"the old version reads {plural(read['shown'], 'job')} on it, and sweeps"]

    def by_turns(self) -> Sequence[str]:
        return [self._turn("new", self._new), self._turn("old", self._old), self._turn("new", self._new)]

    def take_back(self) -> Sequence[str]:
        if self._revisions[0] == self._revisions[1]:
            return ["both versions have one schema: nothing to take back"]
        said = self._file.take_back(self._new, self._revisions[0])
        return [said, self._turn("old", self._old)]

    def restore(self) -> Sequence[str]:
        before = self._file.play("read", self._old)["states"]
        self._file.restore(self._backup)
        said = self._file.migrate(self._new)
        gone = sorted(set(before) - set(self._file.play("read", self._new)["states"]))
        return [said, self._turn("new", self._new), f"gone with the back-up: {', '.join(gone) or 'none'}"]

    def _turn(self, who: str, version: Wheel) -> str:
        """All jobs to their ends. Raises `_Broken` when one sticks."""
        found: Mapping[str, Any] = self._file.play("go-on", version)
        stuck = open_jobs(found["states"])
        if stuck:
            raise _Broken(f"the {who} version left {', '.join(stuck)} open")
        applied, repeats = found["applied"], found["repeats"]
        ended = f"{who}: {len(found['states'])} jobs ended"
        return f"{ended}, {applied} effects applied, {repeats} known by their key"


def _line(
    id_: str, says: str, state: LineState, evidence: Sequence[str], folder: Path, database: str = SQLITE
) -> Line:
    return Line(id=id_, database=database, says=says, state=state, evidence=evidence, folder=str(folder))
