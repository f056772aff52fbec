"""Removing from the object store what ended jobs left there: checkpoints, unfinished uploads."""

from __future__ import annotations

from collections.abc import Sequence

from reference_service.ports import Unavailable
from reference_service.service import Service
from reference_service.store import events
from reference_service.store.events import Discard

OVERDUE_S = 10.0  # whoever wrote it is at it before that, or will not come back


def collect(service: Service, job_id: str) -> None:
    """Removes what the job left, best effort: the sweeper does what could not be done now."""
    try:
        _remove(service, events.discards_of(service.store, job_id))
    except Unavailable as error:
        service.log.warning("left for the sweeper to remove", job=job_id, error=str(error))


def collect_overdue(service: Service) -> int:
    """Removes what others should have removed by now; how many. Raises `Unavailable`."""
    found = events.overdue_discards(service.store, age_s=OVERDUE_S)
    _remove(service, found)
    return len(found)


def _remove(service: Service, found: Sequence[Discard]) -> None:
    for discard in found:
        if discard.kind == "prefix":
            service.objects.delete_prefix(discard.key)
        elif discard.kind == "multipart" and discard.upload_id is not None:
            service.objects.abort_multipart(discard.key, discard.upload_id)
        else:
            service.objects.delete(discard.key)
        events.drop_discard(service.store, discard)
