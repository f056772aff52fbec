"""Templates in, text out; everything that is put into one is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import quote

from reference_service.domain import STAGES, TERMINAL, Defence, State
from reference_service.projects import SHOWN_MAX, Project, Shown
from reference_service.service import Service
from reference_service.views import cursor_of, job_view

STATIC: Mapping[str, str] = {
    "page.js": "text/javascript",
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
}

# Nothing from elsewhere, no inline script or style, in nobody's frame.
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with `no-referrer` a form of ours has the origin `null`
    "X-Content-Type-Options": "nosniff",
}
STATE_WORDS: Mapping[State, str] = {
    State.AWAITING_UPLOAD: "awaits its upload",
    State.QUEUED: "waits",
    State.ACTIVE: "runs",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.EXPIRED: "expired",
}


@cache
def _environment() -> Any:
    """Loaded when the first page is asked for: no start of an API waits for it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  see above

    environment = Environment(
        loader=PackageLoader("reference_service.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["segment"] = lambda text: quote(text, safe="")
    return environment


@cache
def static(name: str) -> bytes:
    """Raises `KeyError` when there is no such file."""
    STATIC[name]
    return resources.files("reference_service.web").joinpath("static", name).read_bytes()


def login(problem: str | None) -> str:
    return _render("login.html", problem=problem)


def unavailable(text: str) -> str:
    """A page that asks again by itself."""
    return _render("unavailable.html", text=text)


def page(
    service: Service, tenant: str, projects: list[Project], open_name: str | None, rows: list[Shown]
) -> str:
    """The whole page. `open_name` None: no project is open."""
    return _render(
        "page.html",
        tenant=tenant,
        projects=projects,
        open_name=open_name,
        title=title_of(open_name),
        summary=summary_of(projects, open_name, len(rows)),
        rows=[_row(shown) for shown in rows],
        poll_ms=round(service.settings.page_poll_s * 1000),
        pulls="open" if service.defended(Defence.PAGE_PULLS_WHAT_IS_OPEN) else "all",
    )


def nav(projects: list[Project], open_name: str | None) -> str:
    return _render("nav.html", projects=projects, open_name=open_name)


def row(shown: Shown) -> dict[str, Any]:
    """One job, for the script: what stands under which id, and whether it may still change."""
    return {"id": shown.job.id, "live": shown.live, "html": _render("row.html", row=_row(shown))}


def title_of(name: str | None) -> str:
    return {None: "Projects", "": "Without a project"}.get(name) or str(name)


def summary_of(projects: list[Project], name: str | None, shown: int) -> str:
    """In words: how many jobs, of which how many have not ended."""
    if name is None:
        return "Choose a project." if projects else "No job has been announced yet."
    project = next((one for one in projects if one.name == name), Project(name=name))
    words = [f"{project.jobs} job{'' if project.jobs == 1 else 's'}"]
    words += [f"{project.live} on the way"] if project.live else []
    words += [f"{project.failed} failed"] if project.failed else []
    words += [f"the newest {SHOWN_MAX} are shown"] if project.jobs > shown == SHOWN_MAX else []
    return ", ".join(words)


def _render(name: str, **values: Any) -> str:
    text: str = _environment().get_template(name).render(**values)
    return text


def _row(shown: Shown) -> dict[str, Any]:
    job = shown.job
    stages = job_view(job, shown.done)["stages"]
    ended = job.state in TERMINAL
    done = sum(stage["state"] == "done" for stage in stages)
    return {
        "id": job.id,
        "name": job.name.partition("/")[2] or job.name,
        "state": job.state.value,
        "word": STATE_WORDS[job.state],
        "live": shown.live,
        "stages": stages,
        "done": done,
        "of": len(STAGES),
        "detail": _detail(shown, done),
        "attempt": job.attempt,
        "cursor": cursor_of(job),
        "when": "ended" if ended else "since",
        "at": datetime.fromtimestamp(job.updated_at, UTC),
    }


def _detail(shown: Shown, done: int) -> str:
    job = shown.job
    if job.state is State.FAILED:
        where = f", in stage {job.stage}" if job.stage else ""
        return str(job.reason or "no reason").replace("_", " ") + where
    if job.state is State.ACTIVE:
        return f"stage {job.stage or 'first'}, {done} of {len(STAGES)} done"
    if job.state is State.QUEUED and job.attempt:
        return f"for attempt {job.attempt + 1}, {done} of {len(STAGES)} stages done"
    return ""
