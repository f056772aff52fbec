"""Figures of the whole service, read from database and queue when somebody asks for the metrics.

A source that is away costs its own figures only, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from reference_service import alerts
from reference_service.breaker import DEPENDENCIES
from reference_service.domain import State
from reference_service.metrics import Figure
from reference_service.ports import Unavailable
from reference_service.service import Service
from reference_service.store import breakers
from reference_service.store.tables import database_now, instances, jobs, outbox

ROLES = ("api", "worker", "sweeper", "relay")
BY_STATE = select(jobs.c.state, func.count(), database_now() - func.min(jobs.c.updated_at)).group_by(
    jobs.c.state
)
WAITING = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))


def read_figures(service: Service) -> Sequence[Figure]:
    """Never raises `Unavailable`."""
    sources: dict[str, Callable[[], Sequence[Figure]]] = {
        "database": lambda: _of_database(service),
        "alerts": lambda: alerts.figures(service),
        "queue": lambda: [_figure("reference_queue_depth", service.jobs_queue.depth())],
    }
    found: list[Figure] = []
    for source, read in sources.items():
        try:
            found += read()
        except Unavailable as error:
            service.log.warning("no figures", source=source, error=str(error))
            found.append(_figure("reference_source_read", 0, source=source))
        else:
            found.append(_figure("reference_source_read", 1, source=source))
    return found


def _of_database(service: Service) -> Sequence[Figure]:
    within_s = service.settings.instance_dead_after_s
    living = (
        select(instances.c.role, func.count())
        .where(instances.c.stopped_at.is_(None), instances.c.heartbeat_at > database_now() - within_s)
        .group_by(instances.c.role)
    )

    def work(connection: Connection) -> Sequence[Figure]:
        found: list[Figure] = []
        states = {state: (count, age_s) for state, count, age_s in connection.execute(BY_STATE)}
        for state in State:
            count, age_s = states.get(state, (0, 0.0))
            found.append(_figure("reference_jobs", count, state=state))
            found.append(_figure("reference_oldest_job_age_seconds", max(0.0, age_s), state=state))
        roles = {row[0]: row[1] for row in connection.execute(living)}
        found += [
            _figure("reference_live_instances", roles.get(role, 0), role=role)
            for role in dict.fromkeys([*ROLES, *roles])
        ]
        open_s = {one.dependency: one.open_s for one in breakers.states(connection)}
        found += [
            _figure("reference_breaker_open_seconds", open_s.get(name) or 0.0, dependency=name)
            for name in DEPENDENCIES
        ]
        found.append(_figure("reference_outbox_depth", connection.execute(WAITING).scalar() or 0))
        return found

    return service.store.single(work)


def _figure(name: str, value: float, **labels: str) -> Figure:
    return Figure(name=name, value=value, labels=labels)
