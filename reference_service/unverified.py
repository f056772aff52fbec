"""Jobs that are queued although nobody verified their upload: somebody moved them on by hand.

They carry no ETag, so no worker claims them. Whoever comes first looks whether the object is there: then the
job is verified and announced; else it goes back to `awaiting_upload`, where its client can still complete it,
and its deadline is judged.
"""

from __future__ import annotations

from collections.abc import Callable

from reference_service.domain import Defence, Job, State
from reference_service.ports import ObjectFacts
from reference_service.service import Service, announce
from reference_service.store import recovery


def refuses_unverified(service: Service) -> bool:
    """Whether only verified jobs are claimed. Without `object_check` none is, so nobody could tell."""
    return service.defended(Defence.CLAIM_ONLY_VERIFIED) and service.defended(Defence.OBJECT_CHECK)


def is_unverified(service: Service, job: Job) -> bool:
    return job.state is State.QUEUED and job.etag is None and refuses_unverified(service)


def sort_out(
    service: Service,
    counts: dict[str, int],
    stopping: Callable[[], bool],
    facts_of: Callable[[Service, Job], ObjectFacts | None],
) -> None:
    """For the sweeper: each of them is verified, or put back.

    `facts_of` has the object, when it is the right one. Raises `Unavailable`; the rest waits.
    """
    for job in recovery.unverified(service.store):
        if stopping():
            return
        facts = facts_of(service, job)
        if facts is None:
            what, moved = "put_back", recovery.put_back(service.store, job.id)
        else:
            what, moved = "verified", verify(service, job, facts)
        if moved is not None:
            counts[what] += 1
            service.points.reach("sweeper.upload.committed", job=job.id, decision=what)
            service.log.warning("queued by hand", job=job.id, decision=what)


def verify(service: Service, job: Job, facts: ObjectFacts) -> Job | None:
    """Still queued, now with what it is claimed by, and announced; None when it moved on meanwhile."""
    verified = recovery.verify(service.store, job.id, etag=facts.etag, size_bytes=facts.size_bytes)
    announce(service, verified)
    return verified
