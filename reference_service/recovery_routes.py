"""The API's routes of recovery, for operators and schedulers: all of them need the internal token.

POST /internal/recovery           {job?, age_minutes?, dry_run?} -> {summary}; 409 paused, or one runs
GET  /internal/recovery           -> {paused_at, paused_by, holder, schedule}
POST /internal/recovery/pause     -> {paused_at}
POST /internal/recovery/resume    -> {resumed}
GET  /internal/recovery/runs      ?limit= -> {runs}, the newest first
GET  /internal/recovery/runs/{id} -> {run, items}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from reference_service import recovery_sweep
from reference_service.admission import Refused
from reference_service.domain import is_job_id
from reference_service.internal import check_token
from reference_service.recovery_sweep import item_view, run_view, summary_view
from reference_service.service import Service
from reference_service.store import recovery_runs
from reference_service.store.recovery_runs import NotNow


class RunRequest(BaseModel):
    job: str | None = None
    age_minutes: float | None = Field(default=None, ge=0, le=1e6)
    dry_run: bool = False


def add_recovery(
    app: FastAPI, service_of: Callable[[], Service], bearer: Callable[[str | None], str]
) -> None:
    """`bearer` takes the token out of an `Authorization` header."""

    def allowed(authorization: Annotated[str | None, Header()] = None) -> None:
        check_token(service_of(), bearer(authorization))

    only = [Depends(allowed)]

    @app.post("/internal/recovery", dependencies=only)
    def trigger(body: RunRequest | None = None) -> JSONResponse:
        return JSONResponse(triggered(service_of(), body or RunRequest()))

    @app.get("/internal/recovery", dependencies=only)
    def status() -> JSONResponse:
        service = service_of()
        control = recovery_runs.control(service.store)
        return JSONResponse(
            {
                "paused_at": control.paused_at,
                "paused_by": control.paused_by,
                "holder": control.holder,
                "schedule": service.settings.recovery_schedule,
            }
        )

    @app.post("/internal/recovery/pause", dependencies=only)
    def pause() -> JSONResponse:
        return JSONResponse(paused(service_of()))

    @app.post("/internal/recovery/resume", dependencies=only)
    def resume() -> JSONResponse:
        return JSONResponse(resumed(service_of()))

    @app.get("/internal/recovery/runs", dependencies=only)
    def list_runs(limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> JSONResponse:
        found = recovery_runs.runs(service_of().store, limit=limit)
        return JSONResponse({"runs": [run_view(run) for run in found]})

    @app.get("/internal/recovery/runs/{run}", dependencies=only)
    def show_run(run: int) -> JSONResponse:
        found = recovery_runs.run_and_items(service_of().store, run)
        if found is None:
            raise Refused(status=404, message=f"run={run}: no such run")
        return JSONResponse({"run": run_view(found[0]), "items": [item_view(item) for item in found[1]]})


def triggered(service: Service, request: RunRequest) -> Mapping[str, Any]:
    """One run, now. Raises `Refused` (409) when none may begin, `Unavailable`."""
    if request.job is not None and not is_job_id(request.job):
        raise Refused(status=404, message=f"job={request.job!r}: no such job")
    age_s = None if request.age_minutes is None else request.age_minutes * 60
    if request.dry_run:
        return summary_view(recovery_sweep.dry_run(service, age_s=age_s, job=request.job))
    try:
        return summary_view(recovery_sweep.run_once(service, trigger="http", age_s=age_s, job=request.job))
    except NotNow as error:
        raise Refused(status=409, message=str(error)) from None


def paused(service: Service) -> Mapping[str, Any]:
    """Pauses, and says since when. Raises `Unavailable`."""
    control = recovery_runs.pause(service.store, by=service.settings.instance)
    return {"paused_at": control.paused_at}


def resumed(service: Service) -> Mapping[str, Any]:
    """Resumes, and says whether there was anything to. Raises `Unavailable`."""
    return {"resumed": recovery_runs.resume(service.store)}
