"""What brings one job back whose holder or event is gone: for the sweeper, and for a page that is opened.

Each is one conditional statement in the end, so that any number may try at the same time.
"""

from __future__ import annotations

from reference_service.discards import follow_up
from reference_service.domain import Job
from reference_service.judgement import take_back
from reference_service.service import Service, announce_id
from reference_service.store import recovery


def take_from_the_dead(service: Service, job: Job) -> Job | None:
    """active, lease expired -> queued (resumes at its last checkpoint), or failed: attempts used up.

    None when it is held by somebody after all.
    """
    moved = take_back(service, job, only_expired=True)
    if moved is None:
        return None
    service.points.reach("sweeper.lease.committed", job=job.id, state=moved.state)
    service.log.info(
        "lease expired",
        job=job.id,
        trace=job.trace,
        attempt=job.attempt,
        charged=moved.charged,
        state=moved.state,
    )
    follow_up(service, moved)
    return moved


def call_again(service: Service, job_id: str) -> bool:
    """Announces a queued job that has no live event; False when it was claimed or announced meanwhile."""
    if not recovery.announce_again(service.store, job_id, after_s=service.settings.reconcile_after_s):
        return False
    service.points.reach("sweeper.event.committed", job=job_id)
    service.log.info("announced again", job=job_id)
    announce_id(service, job_id)
    return True
