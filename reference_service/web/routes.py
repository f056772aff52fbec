"""The routes of the page; see the package for what each does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from reference_service import projects, tenants
from reference_service.admission import Refused
from reference_service.ports import Unavailable
from reference_service.service import Service
from reference_service.views import parse_cursor
from reference_service.web import rendering, sessions

IDS_MAX = projects.SHOWN_MAX
NAME_MAX = 255
FIELDS_MAX = 4  # of the form, which has one
SEE_OTHER = 303
AWAY_RETRY_AFTER_S = 2

Name = Annotated[str, Query(max_length=NAME_MAX)]


def add_web(app: FastAPI, service_of: Callable[[], Service]) -> None:
    _add_sessions(app, service_of)
    _add_page(app, service_of)
    _add_answers(app, service_of)


def _add_sessions(app: FastAPI, service_of: Callable[[], Service]) -> None:
    @app.get("/web/login", include_in_schema=False)
    def form() -> Response:
        return _html(rendering.login(None))

    @app.post("/web/login", include_in_schema=False)
    async def log_in(request: Request) -> Response:
        sessions.check_origin(request)
        try:
            fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=FIELDS_MAX)
        except ValueError:
            raise Refused(status=400, message=f"the form has one field, not over {FIELDS_MAX}") from None
        token = fields.get("token", [""])[0].strip()
        if tenants.tenant_of(service_of().settings, token) is None:
            return _html(rendering.login("That token is not known here."), status=401)
        response = RedirectResponse("/web", SEE_OTHER, headers=dict(rendering.HEADERS))
        sessions.begin(request, response, token)
        return response

    @app.post("/web/logout", include_in_schema=False)
    def log_out(request: Request) -> Response:
        sessions.check_origin(request)
        response = RedirectResponse("/web/login", SEE_OTHER, headers=dict(rendering.HEADERS))
        sessions.end(response)
        return response


def _add_page(app: FastAPI, service_of: Callable[[], Service]) -> None:
    @app.get("/web", include_in_schema=False)
    def page(request: Request, project: Annotated[str | None, Query(max_length=NAME_MAX)] = None) -> Response:
        service = service_of()
        tenant = sessions.tenant_of(service, request)
        if tenant is None:
            return RedirectResponse("/web/login", SEE_OTHER, headers=dict(rendering.HEADERS))
        name = None if project is None else _storable(project)
        try:
            found = list(projects.overview(service, tenant))
            rows = [] if name is None else list(projects.newest(service, tenant, name))
        except Unavailable as error:
            service.log.warning("a page could not be shown", error=str(error))
            text = rendering.unavailable("The database does not answer.")
            return _html(text, status=503, after_s=AWAY_RETRY_AFTER_S)
        return _html(rendering.page(service, tenant, found, name, rows))

    @app.get("/web/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        if name not in rendering.STATIC:
            raise Refused(status=404, message=f"{name!r}: no such file")
        headers = {**rendering.HEADERS, "Cache-Control": "no-cache"}
        return Response(rendering.static(name), media_type=rendering.STATIC[name], headers=headers)


def _add_answers(app: FastAPI, service_of: Callable[[], Service]) -> None:
    @app.get("/web/project", include_in_schema=False)
    def show(request: Request, name: Name = "") -> Response:
        return _json(_whole(service_of(), _tenant(service_of(), request), _storable(name)))

    @app.get("/web/rows", include_in_schema=False)
    def rows(request: Request, name: Name = "", ids: str = "", newest: str = "") -> Response:
        service = service_of()
        tenant = _tenant(service, request)
        wanted = [one for one in ids.split(",") if one][:IDS_MAX]
        try:
            after = parse_cursor(newest) if newest else None
        except ValueError:
            raise Refused(status=422, message=f"newest={newest!r}: take it from a row") from None
        fresh = projects.newest(service, tenant, _storable(name), after=after)
        changed = projects.some(service, tenant, _storable(name), [_storable(one) for one in wanted])
        return _json(
            {
                "project": name,
                "rows": [rendering.row(shown) for shown in changed],
                "fresh": [rendering.row(shown) for shown in fresh],
            }
        )

    under_way = _UnderWay()

    @app.post("/web/reconcile", include_in_schema=False)
    def reconcile(request: Request, name: Name = "") -> Response:
        sessions.check_origin(request)
        service = service_of()
        tenant = _tenant(service, request)
        with under_way.alone((tenant, _storable(name))) as alone:
            moved = projects.reconcile(service, tenant, name) if alone else 0
        return _json({"project": name, "moved": moved})


class _UnderWay:
    """What this process is about. A project that is opened again and again while the object store hangs takes
    one thread, not all of them.
    """

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()
        self._lock = Lock()

    @contextmanager
    def alone(self, key: tuple[str, str]) -> Iterator[bool]:
        """Whether nobody is about that yet; whoever is told so is, for as long as the block."""
        with self._lock:
            first = key not in self._keys
            self._keys.add(key)
        try:
            yield first
        finally:
            if first:
                with self._lock:
                    self._keys.discard(key)


def _whole(service: Service, tenant: str, name: str) -> dict[str, Any]:
    found = list(projects.overview(service, tenant))
    rows = list(projects.newest(service, tenant, name))
    return {
        "project": name,
        "title": rendering.title_of(name),
        "summary": rendering.summary_of(found, name, len(rows)),
        "projects": rendering.nav(found, name),
        "rows": [rendering.row(shown) for shown in rows],
    }


def _tenant(service: Service, request: Request) -> str:
    tenant = sessions.tenant_of(service, request)
    if tenant is None:
        raise Refused(status=401, message="no session: sign in at /web/login")
    return tenant


def _storable(text: str) -> str:
    """PostgreSQL's text has no NUL, so nothing has it in its name."""
    if "\0" in text:
        raise Refused(status=404, message="a name has no NUL character")
    return text


def _html(text: str, *, status: int = 200, after_s: int | None = None) -> Response:
    headers = {**rendering.HEADERS, **({} if after_s is None else {"Retry-After": str(after_s)})}
    return HTMLResponse(text, status_code=status, headers=headers)


def _json(answer: dict[str, Any]) -> Response:
    return JSONResponse(answer, headers=dict(rendering.HEADERS))
