"""What a worker that starts gives back: the jobs of instances that are gone, as the attempts log has it."""

from __future__ import annotations

from collections.abc import Sequence

from reference_service.discards import follow_up
from reference_service.domain import Defence, Job
from reference_service.judgement import take_back
from reference_service.ports import Runtime
from reference_service.service import Service
from reference_service.store import recovery


def give_back_dead(service: Service, runtime: Runtime) -> int:
    """Gives back what no live instance can be at; how many jobs.

    Idempotent, and any number may do it at once: each job is moved by one conditional statement on the token
    that was seen. Rows may be missing: an attempt whose instance is not in the register is judged by when it
    began, and a job without its attempt waits for its lease.

    `careful_cleanup` off takes every attempt that is open for one that was left behind, which is right only
    where nothing else runs: 1. a worker is at its job, 2. another one starts, as in any deploy, 3. the job is
    taken from the first, and done twice. Raises `Unavailable`.
    """
    count = 0
    while True:
        found = _left_behind(service, runtime)
        given = sum(give_back(service, job) is not None for job in found)
        count += given
        if given == 0 or len(found) < recovery.BATCH:
            return count


def _left_behind(service: Service, runtime: Runtime) -> Sequence[Job]:
    settings = service.settings
    if not service.defended(Defence.CAREFUL_CLEANUP):
        return recovery.open_attempts(service.store, boot_id=runtime.boot_id)
    return recovery.dead_attempts(
        service.store,
        instance=settings.instance,
        boot_id=runtime.boot_id,
        dead_after_s=settings.instance_dead_after_s,
    )


def give_back(service: Service, job: Job, *, only_expired: bool = False) -> Job | None:
    """The job as it is then; None when it was moved or claimed again meanwhile (or, `only_expired`, its lease
    was renewed). Raises `Unavailable`.
    """
    moved = take_back(service, job, only_expired=only_expired)
    if moved is not None:
        service.log.info(
            "recovered from a dead instance", job=job.id, attempt=job.attempt, charged=moved.charged
        )
        follow_up(service, moved)
    return moved
