"""An exploration as reports show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unstuck import __version__
from unstuck.errors import ExitCode
from unstuck.explorer.exploring import Attempted, Explored, trials_by_point
from unstuck.explorer.life import HANDED_OVER
from unstuck.explorer.points import CrashPoint
from unstuck.explorer.trials import Mode
from unstuck.report.group import worst
from unstuck.report.points import PointCell, PointRow, PointsTable
from unstuck.report.words import span


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an exploration does not know of itself."""

    target: str
    modes: Sequence[Mode]
    duration_s: float
    seed: int
    date: str
    folder: str | None = None
    notes: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    interrupted: bool = False


def table_of(explored: Explored, about: About) -> PointsTable:
    """The whole table; `exit_code` is what the command comes to."""
    counts = explored.counts
    return PointsTable(
        target=about.target,
        modes={mode: _head(mode, explored) for mode in about.modes},
        rows=in_order(
            _row(point, cells.values()) for point, cells in trials_by_point(explored.attempted).items()
        ),
        uncovered=tuple((one.what, one.why) for one in explored.uncovered),
        linked=counts.linked,
        seen=counts.seen,
        starting=counts.starting,
        left_out=counts.left_out,
        covered=counts.covered,
        exit_code=ExitCode.INTERRUPTED if about.interrupted else worst(explored.exit_codes),
        duration_s=about.duration_s,
        seed=about.seed,
        version=__version__,
        date=about.date,
        folder=about.folder,
        failed=explored.failed,
        notes=(*about.notes, *_notes(explored, about.modes)),
        saved=about.saved,
    )


def _notes(explored: Explored, modes: Sequence[Mode]) -> tuple[str, ...]:
    notes = []
    if explored.passed_by:
        notes.append(f"test points that this job does not come to: {', '.join(explored.passed_by)}.")
    if "pause" in modes and not explored.approach.workers and not explored.failed:
        notes.append(
            "no report says which process carries out the job (UNSTUCK_PROCESS): there was no second worker "
            "beside the one that was paused."
        )
    return tuple(notes)


def in_order(rows: Iterable[PointRow]) -> tuple[PointRow, ...]:
    """By chapter, then by message, both in the order in which they first come; the places of one together.

    A worker's own upkeep may come before the client has done anything: handing over is first all the same.
    """
    given = list(rows)
    found = dict.fromkeys((HANDED_OVER, *(row.life for row in given)))
    lives = {life: place for place, life in enumerate(found)}
    messages = {
        message: place
        for place, message in enumerate(dict.fromkeys((row.life, row.link, row.message) for row in given))
    }
    return tuple(sorted(given, key=lambda row: (lives[row.life], messages[row.life, row.link, row.message])))


def _head(mode: Mode, explored: Explored) -> str:
    return f"pause {span(explored.approach.pause_s)}" if mode == "pause" else mode


def _row(point: CrashPoint, attempted: Iterable[Attempted]) -> PointRow:
    return PointRow(
        life=point.life,
        link=point.link,
        message=point.told,
        place=point.place,
        text=point.text,
        cells=tuple(_cell(one) for one in attempted),
    )


def _cell(one: Attempted) -> PointCell:
    outcome, folder = one.outcome, one.record.folder
    run = folder.name if folder else None
    if outcome.word is None:
        return PointCell(
            mode=one.trial.mode, word="not covered", verdict="inconclusive", note=outcome.why, run=run
        )
    return PointCell(
        mode=one.trial.mode,
        word=outcome.word,
        verdict="pass" if outcome.allowed else "fail",
        note=outcome.note,
        broken=outcome.broken,
        run=run,
    )
