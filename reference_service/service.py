"""`Service`: the ports and the settings that every role works with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reference_service.domain import Defence, Job
from reference_service.logs import Log
from reference_service.metrics import Metrics
from reference_service.ports import (
    Clock,
    Objects,
    Points,
    Queue,
    Randomness,
    Sink,
    Stages,
    Unavailable,
    Vision,
)
from reference_service.rates import Rates
from reference_service.settings import Settings
from reference_service.store import Store
from reference_service.store.events import mark_announced


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Nothing in it is opened before it is used, so that it survives a fork."""

    settings: Settings
    clock: Clock
    randomness: Randomness
    store: Store
    objects: Objects
    jobs_queue: Queue
    uploads_queue: Queue
    vision: Vision
    sink: Sink
    stages: Stages
    points: Points
    log: Log
    metrics: Metrics
    rates: Rates

    def defended(self, defence: Defence) -> bool:
        return self.settings.defended(defence)

    def acting_as(self, actor: str) -> Service:
        """The same service, whose transitions are signed by `actor`."""
        return replace(self, store=replace(self.store, actor=actor))


def announce(service: Service, job: Job | None) -> None:
    """After a commit that queued `job`: nothing to do, since its outbox row went with the commit.

    With the `outbox` defence off the event goes to the queue here, best effort: a crash or an error in
    between loses it, which is what the defence is there to prevent.
    """
    if job is not None:
        announce_id(service, job.id)


def announce_id(service: Service, job_id: str) -> None:
    """As `announce`."""
    if service.defended(Defence.OUTBOX):
        return
    try:
        service.jobs_queue.send({"job": job_id})
        mark_announced(service.store, job_id)
    except Unavailable as error:
        service.log.warning("the event was not sent", job=job_id, error=str(error))
