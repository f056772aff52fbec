"""The lines of the checklist that a life on one SQLite file gives, and the one on the versions' words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unstuck.errors import TargetError
from unstuck.report.words import plural
from unstuck.targets.reference.sqlite_upgrade import TERMINAL, SqliteFile, open_jobs
from unstuck.verify.checklist import Line, LineState

SQLITE = "SQLite"
BOTH = "Both databases"
NO_PROCESSES = (
    "two processes of different versions at once were not run: a SQLite file has one writer and one machine, "
    "and each version had its turns instead"
)
HARMLESS = "Words that only the new version writes do no harm to the old one"
REPLACED = (
    "Words that only the new version writes stay in rows: replace them before the old version comes back"
)
READERS_FIRST = "in the deploy itself, replace the API before the workers: no old API then meets such a row"
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
    lines.append(
        _line(
            "processes",
            "Both versions at once: cannot be had on SQLite",
            LineState.CANNOT,
            [NO_PROCESSES],
            folder,
        )
    )
    return lines


def words_line(folder: Path, old: Wheel, new: Wheel, enums: Sequence[str] | None) -> Line:
    """What the new version may have written when the old one comes back. A column of text takes any word, so
    that nothing has to be taken back from the schema; whether the old version can read it is tried.

    Where it cannot, the new version may name words to put in their place (`cannot`: they have to be replaced
    before, and it was tried); where it names none, or they do not help, it is broken. `enums`: the enumerated
    types that PostgreSQL has after the migration; None: nobody looked.
    """
    file = SqliteFile(folder)

    def line(state: LineState, told: Sequence[str], says: str = HARMLESS) -> Line:
        return _line("words", says, state, [*told, *_enums(enums)], folder, BOTH)

    try:
        known, may = file.play("words", old), file.play("words", new)
        fresh = {kind: sorted(set(may[kind]) - set(known[kind])) for kind in ("state", "reason")}
        if not any(fresh.values()):
            return line(LineState.OK, ["the new version has no state and no reason that the old one lacks"])
        file.migrate(old)
        file.play("begin", old)
        for kind, some in fresh.items():
            for word in some:
                file.plant(kind, word)
    except TargetError as error:
        return line(LineState.NOT_PROVED, [str(error)])
    listed = ", ".join(f"{kind}={word}" for kind, some in fresh.items() for word in some)
    told = [f"a roll-back leaves them in rows: {listed}"]
    try:
        return line(LineState.OK, [*told, _coped(file, old)])
    except (TargetError, _Broken) as error:
        told.append(f"the old version fails on a row with one: {error}")
    instead = {word: older for word, older in may.get("instead", {}).items() if word in fresh["reason"]}
    if (
        fresh["state"]
        or set(instead) != set(fresh["reason"])
        or not set(instead.values()) <= set(known["reason"])
    ):
        return line(LineState.BROKEN, told)
    statements = file.give_instead(instead)
    try:
        coped = _coped(file, old)
    except (TargetError, _Broken) as error:
        return line(LineState.BROKEN, [*told, f"nor after {'; '.join(statements)}: {error}"])
    told += [f"once the new workers are gone, run: {one}" for one in statements]
    return line(LineState.CANNOT, [*told, f"after that (tried), {coped}", READERS_FIRST], REPLACED)


def _coped(file: SqliteFile, old: Wheel) -> str:
    """Raises `TargetError` when the old version does not bear a planted row, and `_Broken` when it sticks."""
    found = file.play("cope", old)
    stuck = [state for state in found["retried"] if state not in TERMINAL]
    if stuck:
        raise _Broken(f"{plural(len(stuck), 'retried job')} with such a row did not end")
    again = f", and retries of {plural(len(found['retried']), 'such job')} end" if found["retried"] else ""
    return (
        f"the old version shows {plural(found['shown'], 'job')}, with such rows among them, and sweeps{again}"
    )


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
