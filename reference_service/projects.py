"""Projects, as people see them: a tenant's jobs by what their names begin with, `project/name`.

A project needs no row of its own: it is there as long as one of its jobs is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reference_service import recovery_sweep, uploads
from reference_service.admission import Refused
from reference_service.domain import TERMINAL, Defence, Job, State
from reference_service.ports import Unavailable
from reference_service.rescue import call_again, take_from_the_dead
from reference_service.service import Service
from reference_service.store import projects, recovery
from reference_service.unverified import is_unverified

SHOWN_MAX = 50  # jobs of a project on one page, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """How many jobs it has, and how many of them have not ended. `name` may be empty."""

    name: str
    jobs: int = 0
    live: int = 0
    failed: int = 0
    newest_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A job, and its stages with a checkpoint."""

    job: Job
    done: frozenset[str]

    @property
    def live(self) -> bool:
        return self.job.state not in TERMINAL


def overview(service: Service, tenant: str) -> Sequence[Project]:
    """The tenant's projects, the one with the newest job first. Raises `Unavailable`."""
    found: dict[str, Project] = {}
    for row in projects.count(service.store, tenant):
        name, state, count = row["project"], State(row["state"]), row["jobs"]
        was = found.get(name, Project(name=name))
        found[name] = Project(
            name=name,
            jobs=was.jobs + count,
            live=was.live + (0 if state in TERMINAL else count),
            failed=was.failed + (count if state is State.FAILED else 0),
            newest_at=max(was.newest_at, row["newest_at"]),
        )
    return sorted(found.values(), key=lambda project: (-project.newest_at, project.name))


def newest(
    service: Service, tenant: str, project: str, *, after: tuple[float, str] | None = None
) -> Sequence[Shown]:
    """As many as a page shows, the newest first; with `after` those behind that (created_at, id) only."""
    found = projects.newest(service.store, tenant, project, limit=SHOWN_MAX, after=after)
    return _shown(service, found)


def some(service: Service, tenant: str, project: str, ids: Collection[str]) -> Sequence[Shown]:
    """Those of `ids` that are the project's."""
    return _shown(service, projects.some(service.store, tenant, project, ids)) if ids else ()


def _shown(service: Service, found: Sequence[Job]) -> Sequence[Shown]:
    begun = [job.id for job in found if job.attempt and job.state not in TERMINAL]
    done = projects.done_stages(service.store, begun) if begun else {}
    return [Shown(job=job, done=done.get(job.id, frozenset())) for job in found]


def reconcile(service: Service, tenant: str, project: str) -> int:
    """Holds what the rows say of its jobs against store and queue, and moves on whoever waits in vain.

    What it finds the sweeper would find a little later: an upload that is there and was never completed, a
    queued job without an event, a claim whose lease has run out. Returns how many it moved. Only the jobs
    that a page shows are looked at. Raises `Unavailable` of the database; an object store that is away is
    asked once, and not again for each upload that is waited for: it may take its time to say nothing.
    """
    live = [
        job
        for job in projects.newest(service.store, tenant, project, limit=SHOWN_MAX)
        if job.state not in TERMINAL
    ]
    moved = sum(_bring_back(service, job) for job in live)
    try:
        for job in live:
            if job.state is State.AWAITING_UPLOAD or is_unverified(service, job):
                moved += _take_upload(service, job)
    except Unavailable as error:
        service.log.warning("no telling whether uploads are there", job=job.id, error=str(error))
    return moved


def _bring_back(service: Service, job: Job) -> bool:
    """What the database alone can tell."""
    if job.state is State.ACTIVE:
        due = service.defended(Defence.LEASE_RECOVERY) and _may_be_late(service, job)
        return due and take_from_the_dead(service, job) is not None
    if job.state is State.QUEUED and not is_unverified(service, job):
        after_s = service.settings.reconcile_after_s
        due = service.defended(Defence.EVENT_RECONCILIATION)
        due = due and recovery.is_unannounced(service.store, job.id, after_s=after_s)
        return due and call_again(service, job.id)
    return False


def _may_be_late(service: Service, job: Job) -> bool:
    """By our own clock, to spare the database the question; the statement decides by the database's."""
    return job.lease_expires_at is not None and job.lease_expires_at < service.clock.now()


def _take_upload(service: Service, job: Job) -> bool:
    """Completes an upload that is wholly there, as its client would have. Raises `Unavailable`."""
    try:
        if not recovery_sweep.upload_is_there(service, job):
            return False
        return uploads.complete(service, job).state is not job.state
    except Refused as refused:
        service.log.info("an upload was not taken", job=job.id, why=refused.message)
    return False
