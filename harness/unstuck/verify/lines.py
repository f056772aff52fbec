"""The lines of the checklist that the runs on PostgreSQL give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unstuck.report.words import plural
from unstuck.verify.checklist import Line, LineState
from unstuck.verify.evidence import Shown

POSTGRESQL = "PostgreSQL"


def lines_of(shown: Shown, *, old: str, new: str) -> Sequence[Line]:
    """What a run shows, or why it shows nothing. `old`, `new`: as the history calls the versions."""
    return READERS[shown.record.scenario.name](shown, old, new)


def _line(id_: str, says: str, shown: Shown, evidence: Sequence[str], *, proved: bool) -> Line:
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
    return [
        _line(
            "back-up",
            "A back-up is taken while jobs are in flight",
            shown,
            [_struck(backup)],
            proved=_in_flight(backup) > 0,
        ),
        _line(
            "migrate",
            "The schema is migrated with jobs in flight, and each of them ends as it should",
            shown,
            [_struck(migration)],
            proved=_in_flight(migration) > 0,
        ),
        _line(
            "no-restart",
            "Workers of the old version go on through the migration, without a restart",
            shown,
            [
                f"old processes claimed {plural(before, 'job')} before the migration and {after} after it",
                f"ended meanwhile: {', '.join(gone) or 'none'}",
            ],
            proved=migration is not None and after > 0 and not gone,
        ),
    ]


def _forward(shown: Shown, old: str, new: str) -> Sequence[Line]:
    by_old, by_new = shown.claims(old), shown.claims(new)
    return [
        _line(
            "side-by-side",
            "Old and new processes work on the same jobs, side by side",
            shown,
            [f"claims by the old version: {by_old}, by the new one: {by_new}, on one schema"],
            proved=by_old > 0 and by_new > 0,
        ),
        _line(
            "roll-forward",
            "Every role is replaced by the new version, with jobs in flight",
            shown,
            [_struck(shown.landed("rolling_replace", nth)) for nth in range(4)],
            proved=shown.landed("rolling_replace", 3) is not None,
        ),
    ]


def _back(shown: Shown, old: str, new: str) -> Sequence[Line]:
    schema = shown.landed("migrate", 1)
    later = shown.claims(old, from_s=shown.at_s("migrate", 1) or 0.0)
    return [
        _line(
            "roll-back",
            "The code is rolled back with jobs in flight, on the schema of the new version",
            shown,
            [
                *(_struck(shown.landed("rolling_replace", nth)) for nth in (2, 3)),
                f"claims by the new version before: {shown.claims(new)}",
            ],
            proved=shown.landed("rolling_replace", 3) is not None and shown.claims(new) > 0,
        ),
        _line(
            "downgrade",
            "The schema is taken back with jobs in flight, and the old version goes on",
            shown,
            [_struck(schema), f"{plural(later, 'job')} claimed afterwards"],
            proved=_in_flight(schema) > 0 and later > 0,
        ),
    ]


def _restored(shown: Shown, _old: str, _new: str) -> Sequence[Line]:
    found = shown.landed("restore_backup")
    gone = list(found["gone"]) if found else []
    jobs = list(shown.story.jobs.values()) if shown.story else []
    applied = sum(len(job.applied) for job in jobs)
    repeats = sum(len(job.effects) for job in jobs) - applied
    return [
        _line(
            "restore",
            "A back-up older than schema, queue and objects is put back: no job sticks, none is doubled",
            shown,
            [
                _struck(found),
                f"its {len(jobs)} jobs ended, {applied} effects applied, {repeats} known by their key",
                f"{len(gone)} jobs that were announced after it are gone: to their clients they are a 404",
                "the queue's events of those are discarded; their objects stay until somebody removes them",
            ],
            proved=bool(gone),
        ),
    ]


def _struck(landed: Mapping[str, Any] | None) -> str:
    """`41 rows of 8 tables at revision 0001; 7 jobs in flight`."""
    if landed is None:
        return "it did not come to that"
    return f"{landed['how']}; {plural(_in_flight(landed), 'job')} in flight"


def _in_flight(landed: Mapping[str, Any] | None) -> int:
    return 0 if landed is None else int(landed.get("in_flight") or 0)


READERS: Mapping[str, Callable[[Shown, str, str], Sequence[Line]]] = {
    "migrate-in-flight": _migrating,
    "roll-forward": _forward,
    "roll-back": _back,
    "restore-older-backup": _restored,
}
