"""Routes for whoever runs the service: how its jobs are, and which alerts fire.

    GET /internal/status    -> {states: {state: {jobs, oldest_s, unmoved_s}}, outbox, now}
    GET /internal/alerts    -> {alerts: [...], changes: [...]}: measured now, and as recorded

Bearer token REFERENCE_INTERNAL_TOKEN; refused without one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Header
from fastapi.responses import JSONResponse

from reference_service import alerts
from reference_service.admission import Refused
from reference_service.service import Service
from reference_service.store import alerting


def check_token(service: Service, given: str) -> None:
    """Raises `Refused` (403 when these routes are off, 401 for another token)."""
    expected = service.settings.internal_token
    if expected is None:
        raise Refused(status=403, message="REFERENCE_INTERNAL_TOKEN is not set: /internal/… is off")
    if not secrets.compare_digest(expected.encode(), given.encode()):
        raise Refused(status=401, message="Authorization: the internal bearer token is needed")


def add_internal(
    app: FastAPI, service_of: Callable[[], Service], bearer: Callable[[str | None], str]
) -> None:
    """`bearer` takes the token out of an `Authorization` header."""

    def allowed(authorization: Annotated[str | None, Header()] = None) -> None:
        check_token(service_of(), bearer(authorization))

    only_ours = [Depends(allowed)]

    @app.get("/internal/status", dependencies=only_ours)
    def status() -> JSONResponse:
        return JSONResponse(dict(alerting.distribution(service_of().store)))

    @app.get("/internal/alerts", dependencies=only_ours)
    def show_alerts() -> JSONResponse:
        return JSONResponse(dict(alerts.report(service_of())))
