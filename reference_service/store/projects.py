"""Projects: the jobs of a tenant by what their names begin with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import String, and_, bindparam, func, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from reference_service.domain import Job
from reference_service.store.core import Store, job_of
from reference_service.store.tables import checkpoints, jobs


class project_of(FunctionElement[str]):  # noqa: N801  reads as the SQL function that it is
    """What stands before the first `/` of a name; empty: it has none."""

    type = String()
    inherit_cache = True


@compiles(project_of, "postgresql")
def _project_postgresql(element: project_of, compiler: Any, **how: Any) -> str:
    name = compiler.process(element.clauses, **how)
    return f"CASE WHEN strpos({name}, '/') > 0 THEN split_part({name}, '/', 1) ELSE '' END"


@compiles(project_of, "sqlite")
def _project_sqlite(element: project_of, compiler: Any, **how: Any) -> str:
    name = compiler.process(element.clauses, **how)
    return f"CASE WHEN instr({name}, '/') > 0 THEN substr({name}, 1, instr({name}, '/') - 1) ELSE '' END"


_PROJECT = project_of(jobs.c.name)
_OURS = jobs.c.tenant == bindparam("b_tenant")
_IN_PROJECT = (_OURS, _PROJECT.in_([bindparam("b_project")]))
COUNT = (
    select(
        _PROJECT.label("project"),
        jobs.c.state,
        func.count().label("jobs"),
        func.max(jobs.c.created_at).label("newest_at"),
    )
    .where(_OURS)
    .group_by(_PROJECT, jobs.c.state)
)
LIST = (
    select(*jobs.c)
    .where(*_IN_PROJECT)
    .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
    .limit(bindparam("b_limit"))
)
LIST_NEWER = LIST.where(
    or_(
        jobs.c.created_at > bindparam("b_after"),
        and_(jobs.c.created_at == bindparam("b_after"), jobs.c.id > bindparam("b_after_id")),
    )
)
SOME = select(*jobs.c).where(*_IN_PROJECT, jobs.c.id.in_(bindparam("b_jobs", expanding=True)))
DONE = select(checkpoints.c.job, checkpoints.c.stage).where(
    checkpoints.c.job.in_(bindparam("b_jobs", expanding=True)), checkpoints.c.position == 0
)


def count(store: Store, tenant: str) -> Sequence[Mapping[str, Any]]:
    """project, state, jobs and newest_at of each that there is."""
    return store.single(
        lambda connection: [dict(row) for row in connection.execute(COUNT, {"b_tenant": tenant}).mappings()]
    )


def newest(
    store: Store, tenant: str, project: str, *, limit: int, after: tuple[float, str] | None = None
) -> Sequence[Job]:
    """Its jobs, the newest first; with `after` (created_at, id) those that came behind it only."""
    values: dict[str, Any] = {"b_tenant": tenant, "b_project": project, "b_limit": limit}
    if after is not None:
        values |= {"b_after": after[0], "b_after_id": after[1]}
    statement = LIST if after is None else LIST_NEWER
    return store.single(lambda connection: [job_of(row) for row in connection.execute(statement, values)])


def some(store: Store, tenant: str, project: str, ids: Collection[str]) -> Sequence[Job]:
    """Those of `ids` that are its jobs."""
    values = {"b_tenant": tenant, "b_project": project, "b_jobs": list(ids)}
    return store.single(lambda connection: [job_of(row) for row in connection.execute(SOME, values)])


def done_stages(store: Store, ids: Collection[str]) -> Mapping[str, frozenset[str]]:
    """job -> its stages with a checkpoint; jobs without one are left out."""
    rows = store.single(lambda c: [tuple(row) for row in c.execute(DONE, {"b_jobs": list(ids)})])
    found: dict[str, set[str]] = {}
    for job, stage in rows:
        found.setdefault(job, set()).add(stage)
    return {job: frozenset(stages) for job, stages in found.items()}
