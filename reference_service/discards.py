"""Removing from the object store what ended jobs left there: checkpoints, unfinished uploads."""

from __future__ import annotations

from collections.abc import Callable

from reference_service.domain import TERMINAL, Job
from reference_service.ports import Rejected, Unavailable
from reference_service.service import Service, announce
from reference_service.store import events
from reference_service.store.events import Discard

OVERDUE_S = 10.0  # whoever wrote it is at it before that, or will not come back
FAILURES_MAX = 3  # without an answer, in a row: then it is the object store, and the rest would only wait


def collect(service: Service, job_id: str) -> None:
    """Removes what the job left, best effort: the sweeper does what could not be done now."""
    try:
        for discard in events.discards_of(service.store, job_id):
            _remove(service, discard)
    except Unavailable as error:
        service.log.warning("left for the sweeper to remove", job=job_id, error=str(error))


def follow_up(service: Service, moved: Job) -> None:
    """After the commit of a move: what has ended leaves nothing behind, and what waits is announced."""
    if moved.state in TERMINAL:
        collect(service, moved.id)
    else:
        announce(service, moved)


def collect_overdue(service: Service, counts: dict[str, int], stopping: Callable[[], bool]) -> None:
    """For the sweeper: removes what others should have removed by now.

    Each by itself: one that the store will not give up is tried again by a later sweep, behind all others
    that are due, and is counted as `unremoved`. Raises `Unavailable` when it is the store, or the database:
    one that refuses is there, and may give up what is behind.
    """
    failures = 0
    for discard in events.overdue_discards(service.store, age_s=OVERDUE_S):
        if stopping():
            return
        try:
            _remove(service, discard)
        except Unavailable as error:
            failures = 0 if isinstance(error, Rejected) else failures + 1
            counts["unremoved"] += 1
            service.log.warning("not removed", job=discard.job, key=discard.key, error=str(error))
            events.put_off_discard(service.store, discard, age_s=OVERDUE_S)
            if failures == FAILURES_MAX:
                raise
        else:
            failures = 0
            counts["removed"] += 1


def _remove(service: Service, discard: Discard) -> None:
    if discard.kind == "prefix":
        service.objects.delete_prefix(discard.key)
    elif discard.kind == "multipart" and discard.upload_id is not None:
        service.objects.abort_multipart(discard.key, discard.upload_id)
    else:
        service.objects.delete(discard.key)
    events.drop_discard(service.store, discard)
