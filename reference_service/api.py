"""The HTTP API: thin routes over plain functions.

    POST /jobs                       {name, size_bytes?, multipart_parts?} -> 201 {job, upload}
    POST /jobs/{id}/complete         {etag?} -> 200 {job}; 409 not there, 410 expired, 422 not as announced
    GET  /jobs                       ?state=&limit=&cursor= -> {jobs, next}
    GET  /jobs/{id}                  -> {job}, with the state of each stage
    GET  /jobs/orphaned              ?max_age_minutes= -> {jobs}: held by nobody, unmoved for so long
    POST /jobs/{id}/cancel           -> {job}; 409 when it has ended otherwise
    POST /jobs/{id}/retry            -> 201 {job, upload?}: a new job; 200: the one that an earlier call made
    POST /internal/sweep             -> {counts}; bearer token REFERENCE_INTERNAL_TOKEN, refused without one
    …    /internal/recovery…         the recovery sweep: see `recovery_routes`; the same token
    GET  /internal/status, /alerts   see `internal`
    GET  /web                        a page for people: see `web`
    GET  /metrics                    in Prometheus' format; no token, as the two below
    GET  /livez, /readyz, /healthz   no token

`Authorization: Bearer …` names the tenant; a job of another tenant is a 404. An error is `{"error": line}`.
While draining: 503 with `Retry-After` on everything but reads; with `requests_max` under way, on everything
but `/livez`. 411 and 413: a body without a length, or above 64 KiB.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from reference_service import sweeper, tenants, trace, uploads
from reference_service.admission import Refused
from reference_service.domain import Defence, State
from reference_service.examination import Finding, examine, trouble
from reference_service.figures import read_figures
from reference_service.internal import add_internal, check_token
from reference_service.metrics import CONTENT_TYPE
from reference_service.ports import Unavailable
from reference_service.recovery_routes import add_recovery
from reference_service.service import Service
from reference_service.store import lifecycle
from reference_service.views import cursor_of, job_view, parse_cursor, upload_view
from reference_service.web import add_web

LIVEZ = "/livez"  # answered whatever else is under way
RETRY_AFTER_S = 1
BODY_BYTES_MAX = 64 * 1024  # every body is a few short fields
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})  # a label has no value that a client makes up
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Draining:
    """Whether this process has been told to stop."""

    def __init__(self) -> None:
        self.on = False


def _storable(text: str) -> str:
    """PostgreSQL's text has no NUL."""
    if "\0" in text:
        raise ValueError("must have no NUL character")
    return text


class NewUpload(BaseModel):
    name: Annotated[str, AfterValidator(_storable)] = Field(min_length=1, max_length=255)
    size_bytes: int | None = Field(default=None, ge=0)
    multipart_parts: int | None = Field(default=None, ge=1, le=10_000)


class Completion(BaseModel):
    etag: Annotated[str, AfterValidator(_storable)] | None = Field(default=None, min_length=1, max_length=255)


class _Bound:
    """What the routes serve. They can be made before it is known."""

    service: Service
    draining: Draining


_ready: list[tuple[FastAPI, _Bound]] = []  # made beforehand, for whoever comes first


def make_app(service: Service, draining: Draining) -> App:
    """The ASGI application."""
    app, bound = _ready.pop() if _ready else _make_routes()
    bound.service, bound.draining = service, draining
    return _Gate(app, bound)


def warm_up() -> None:
    """Makes routes for the next `make_app`, here or in a fork: FastAPI takes 25 ms to look into them."""
    _ready.append(_make_routes())


def _make_routes() -> tuple[FastAPI, _Bound]:
    app, bound = FastAPI(title="Reference video service", docs_url=None, redoc_url=None), _Bound()
    _add_error_answers(app)
    _add_health(app, bound)
    tenant_of = _authentication(bound)
    _add_reads(app, bound, tenant_of)
    _add_writes(app, bound, tenant_of)
    add_internal(app, lambda: bound.service, _bearer)
    add_recovery(app, lambda: bound.service, _bearer)
    add_web(app, lambda: bound.service)
    return app, bound


def _authentication(bound: _Bound) -> Callable[..., str]:
    def tenant_of(authorization: Annotated[str | None, Header()] = None) -> str:
        tenant = tenants.tenant_of(bound.service.settings, _bearer(authorization))
        if tenant is None:
            raise Refused(status=401, message="Authorization: a known bearer token is needed")
        return tenant

    return tenant_of


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _add_reads(app: FastAPI, bound: _Bound, tenant_of: Callable[..., str]) -> None:
    tenant_dependency = Depends(tenant_of)

    @app.get("/jobs")
    def list_jobs(
        tenant: str = tenant_dependency,
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> JSONResponse:
        try:
            before = parse_cursor(cursor) if cursor else None
        except ValueError:
            raise Refused(status=422, message=f"cursor={cursor!r}: take it from `next`") from None
        found = lifecycle.list_jobs(bound.service.store, tenant, limit=limit + 1, state=state, before=before)
        page = found[:limit]
        more = cursor_of(page[-1]) if len(found) > limit else None
        return JSONResponse({"jobs": [job_view(job) for job in page], "next": more})

    @app.get("/jobs/orphaned")
    def orphaned_jobs(
        tenant: str = tenant_dependency,
        max_age_minutes: Annotated[float, Query(ge=0, le=1e6)] = 30.0,
    ) -> JSONResponse:
        found = lifecycle.orphaned_jobs(bound.service.store, tenant, age_s=max_age_minutes * 60)
        return JSONResponse({"jobs": [job_view(job) for job in found]})

    @app.get("/jobs/{job_id}")
    def get_job(job_id: str, tenant: str = tenant_dependency) -> JSONResponse:
        job = uploads.find(bound.service, tenant, job_id)
        done = lifecycle.done_stages(bound.service.store, job_id) if job.attempt else ()
        return JSONResponse({"job": job_view(job, done)})


def _add_writes(app: FastAPI, bound: _Bound, tenant_of: Callable[..., str]) -> None:
    tenant_dependency = Depends(tenant_of)

    @app.post("/jobs")
    def initiate(body: NewUpload, tenant: str = tenant_dependency) -> JSONResponse:
        job, target = uploads.initiate(
            bound.service,
            tenant=tenant,
            name=body.name,
            size_bytes=body.size_bytes,
            multipart_parts=body.multipart_parts,
        )
        return JSONResponse({"job": job_view(job), "upload": upload_view(job, target)}, status_code=201)

    @app.post("/jobs/{job_id}/complete")
    def complete(
        job_id: str, body: Completion | None = None, tenant: str = tenant_dependency
    ) -> JSONResponse:
        job = uploads.find(bound.service, tenant, job_id)
        done = uploads.complete(bound.service, job, etag=body.etag if body else None)
        return JSONResponse({"job": job_view(done)})

    @app.post("/jobs/{job_id}/cancel")
    def cancel(job_id: str, tenant: str = tenant_dependency) -> JSONResponse:
        job = uploads.find(bound.service, tenant, job_id)
        return JSONResponse({"job": job_view(uploads.cancel(bound.service, job))})

    @app.post("/jobs/{job_id}/retry")
    def retry(job_id: str, tenant: str = tenant_dependency) -> JSONResponse:
        made = uploads.retry(bound.service, uploads.find(bound.service, tenant, job_id))
        answer = {"job": job_view(made.job)}
        if made.target is not None:
            answer["upload"] = upload_view(made.job, made.target)
        return JSONResponse(answer, status_code=201 if made.new else 200)

    @app.post("/internal/sweep")
    def sweep(authorization: Annotated[str | None, Header()] = None) -> JSONResponse:
        check_token(bound.service, _bearer(authorization))
        return JSONResponse({"counts": dict(sweeper.run_once(bound.service))})


def _add_health(app: FastAPI, bound: _Bound) -> None:
    @app.get("/livez")
    async def livez() -> JSONResponse:
        """The process answers: nothing else, since a restart mends nothing else.

        In the loop, not in a thread: 1. the database hangs, 2. requests that wait for it have all threads,
        3. an answer that needs one waits, too, 4. a process that is well is killed, and all of them are.
        """
        if not bound.service.defended(Defence.LIVENESS_APART):
            return _checked(await run_in_threadpool(examine, bound.service))
        return JSONResponse({"live": True})

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        """Each dependency, looked at now: for people, never for a supervisor, nor for who routes."""
        return _checked(examine(bound.service))

    @app.get("/metrics")
    def metrics() -> Response:
        """What this process noted, and the whole service's figures, read now."""
        body = bound.service.metrics.render(read_figures(bound.service))
        return Response(body, media_type=CONTENT_TYPE)

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        """Ready to take work: what each request needs answers, and nobody told us to stop.

        What only some requests need is not even asked: one that is silent would keep a thread a probe.
        """
        problem = "draining" if bound.draining.on else trouble(bound.service, "api")
        if problem is not None:
            return _error(503, problem, retry_after_s=RETRY_AFTER_S)
        return JSONResponse({"ready": True})


def _checked(findings: Sequence[Finding]) -> JSONResponse:
    well = all(finding.problem is None for finding in findings)
    content = {"healthy": well, "checks": [asdict(finding) for finding in findings]}
    return JSONResponse(content, status_code=200 if well else 503)


def _add_error_answers(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    def refused(_request: Request, error: Refused) -> JSONResponse:
        return _error(error.status, error.message, retry_after_s=error.retry_after_s)

    @app.exception_handler(Unavailable)
    def unavailable(_request: Request, error: Unavailable) -> JSONResponse:
        return _error(503, str(error), retry_after_s=RETRY_AFTER_S)

    @app.exception_handler(HTTPException)
    def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        return _error(error.status_code, str(error.detail))

    @app.exception_handler(Exception)
    def bug(_request: Request, _error_of_ours: Exception) -> JSONResponse:
        return _error(500, "internal error")  # the server's log has it, with its trace

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        shown = repr(first.get("input"))
        value = f"={shown[:100]}" if first["type"] not in {"missing", "json_invalid"} else ""
        return _error(422, f"{where}{value}: {first['msg']}")


def _error(status: int, message: str, *, retry_after_s: int | None = None) -> JSONResponse:
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else None
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def _trace_of(scope: Scope) -> str | None:
    given = dict(scope.get("headers", ())).get(trace.HEADER.encode(), b"")
    return trace.of_header(given.decode("latin-1"))


class _Gate:
    """Refuses, before it is looked at, what would begin something new while draining, too large a body, and
    one request more than may be under way: while a dependency hangs they only pile up.

    A body without a length would have to be read to be measured: it is refused, too.
    """

    def __init__(self, inner: App, bound: _Bound) -> None:
        self._inner = inner
        self._bound = bound
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics = self._bound.service.metrics

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                status = str(message["status"])
                method = scope["method"] if scope["method"] in METHODS else "other"
                metrics.count("reference_requests_total", method=method, status=status)
            await send(message)

        refusal = self._judge(scope) if scope["type"] == "http" else None
        if refusal is None:
            self._under_way += 1
            try:
                with trace.within(_trace_of(scope)):
                    await self._inner(scope, receive, counted)
            finally:
                self._under_way -= 1
        else:
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, counted)

    def _judge(self, scope: Scope) -> JSONResponse | None:
        if self._bound.draining.on and scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
            text = "draining: this instance is stopping, try again"
            return _error(503, text, retry_after_s=RETRY_AFTER_S)
        headers = dict(scope["headers"])
        if b"transfer-encoding" in headers:
            return _error(411, "Transfer-Encoding: send the body with a Content-Length")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18 or int(length) > BODY_BYTES_MAX:
            shown = length[:32].decode("latin-1")
            return _error(413, f"Content-Length={shown!r}: at most {BODY_BYTES_MAX}")
        service = self._bound.service
        if self._under_way >= service.settings.requests_max and scope["path"] != LIVEZ:
            service.metrics.count("reference_requests_refused_total", why="busy")
            text = f"{self._under_way} requests are under way already"
            return _error(503, text, retry_after_s=RETRY_AFTER_S)
        return None
