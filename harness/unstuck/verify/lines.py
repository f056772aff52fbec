"""The lines of the checklist that the runs on PostgreSQL give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from unstuck.report.words import plural
from unstuck.verify.checklist import Line, LineState
from unstuck.verify.evidence import Shown

POSTGRESQL = "PostgreSQL"


def lines_of(shown: Shown, *, old: str, new: str) -> Sequence[Line]:
    """What a run shows, or why it shows nothing. `old`, `new`: as the history calls the versions."""
    return READERS[shown.record.scenario.name](shown, old, new)


def _line(id_: str, says: str, shown: Shown, proved: bool, evidence: Sequence[str]) -> Line:
    """Broken when a promise was broken in the run, not proved when what it is about did not happen."""
    if shown.broken:
        state, told = LineState.BROKEN, shown.broken
    elif not shown.passed or not proved:
        state, told = LineState.NOT_PROVED, [*([] if shown.passed else shown.problems), *evidence]
    else:
        state, told = LineState.OK, list(evidence)
    return Line(id=id_, database=POSTGRESQL, says=says, state=state, evidence=told, folder=shown.folder)


def _migrating(shown: Shown, old: str, _new: str) -> Sequence[Line]:
    backup, migration = shown.landed("back_up"), shown.landed("migrate")
    at_s = shown.at_s("migrate") or 0.0
    before, after = shown.claims(old, until_s=at_s), shown.claims(old, from_s=at_s)
    gone = shown.ended_before(shown.last_end_s)
    flight = migration.get("in_flight", 0) if migration else 0
    return [
        _line(
            "back-up", "A back-up is taken while jobs are in flight", shown, backup is not None,
            [f"{backup['how']}, {plural(backup['in_flight'], 'job')} in flight"] if backup else ["none was"],
        ),
        _line(
            "migrate", "The schema is migrated with jobs in flight, and each of them ends as it should", shown,
            migration is not None and flight > 0,
            [f"{migration['how']}; {plural(flight, 'job')} in flight"] if migration else ["it was not"],
        ),
        _line(
            "no-restart", "Workers of the old version go on through the migration, without a restart", shown,
            migration is not None and after > 0 and not gone,
            [
                f"old processes claimed {plural(before, 'job')} before the migration and {after} after it",
                f"ended meanwhile: {', '.join(gone) or 'none'}",
            ],
        ),
    ]  # fmt: skip


def _forward(shown: Shown, old: str, new: str) -> Sequence[Line]:
    replaced = shown.at_s("rolling_replace", 3)
    by_old, by_new = shown.claims(old), shown.claims(new)
    return [
        _line(
            "side-by-side", "Old and new processes work on the same jobs, side by side", shown,
            by_old > 0 and by_new > 0,
            [f"claims by the old version: {by_old}, by the new one: {by_new}, on one schema"],
        ),
        _line(
            "roll-forward", "Every role is replaced by the new version, with jobs in flight", shown,
            replaced is not None,
            [str((shown.landed("rolling_replace", nth) or {}).get("how", "not replaced")) for nth in range(4)],
        ),
    ]  # fmt: skip


def _back(shown: Shown, old: str, new: str) -> Sequence[Line]:
    code, schema = shown.at_s("rolling_replace", 3), shown.landed("migrate", 1)
    at_s = shown.at_s("migrate", 1) or 0.0
    later = shown.claims(old, from_s=at_s)
    return [
        _line(
            "roll-back", "The code is rolled back with jobs in flight, on the schema of the new version", shown,
            code is not None and shown.claims(new) + shown.claims(old) > 0,
            [str((shown.landed("rolling_replace", nth) or {}).get("how", "not replaced")) for nth in (2, 3)],
        ),
        _line(
            "downgrade", "The schema is taken back with jobs in flight, and the old version goes on", shown,
            schema is not None and later > 0,
            [f"{schema['how']}; {plural(later, 'job')} claimed afterwards"] if schema else ["it was not"],
        ),
    ]  # fmt: skip


def _restored(shown: Shown, _old: str, _new: str) -> Sequence[Line]:
    found = shown.landed("restore_backup")
    gone = list(found["gone"]) if found else []
    story = shown.story
    applied = sum(len(job.applied) for job in story.jobs.values()) if story else 0
    repeats = sum(len(job.effects) - len(job.applied) for job in story.jobs.values()) if story else 0
    kept = len(story.jobs) if story else 0
    about = [
        f"{kept} jobs of the back-up ended, their effects applied {applied} x, repeats known by their key: {repeats}",
        f"{len(gone)} jobs that were announced after it are gone: their clients get 404 and have to upload again",
        "their events are in the queue and are discarded, their objects stay under uploads/ until somebody removes them",
    ]
    return [
        _line(
            "restore", "A back-up older than schema, queue and objects is put back: no job sticks, none is doubled",
            shown, found is not None and bool(gone),
            [str(found["how"]), *about] if found else ["it was not put back"],
        ),
    ]  # fmt: skip


READERS: Mapping[str, Callable[[Shown, str, str], Sequence[Line]]] = {
    "migrate-in-flight": _migrating,
    "roll-forward": _forward,
    "roll-back": _back,
    "restore-older-backup": _restored,
}
