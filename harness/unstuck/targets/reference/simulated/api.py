"""The API in the sim: the plain functions behind its routes, run in the API's own process.

A request is a task of that process: killed with it, frozen with it, and its client sees a connection that
breaks, or an answer that never comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reference_service import recovery_routes, uploads
from reference_service.admission import Refused
from reference_service.domain import Defence
from reference_service.ports import Unavailable
from reference_service.recovery_routes import RunRequest
from reference_service.service import Service
from reference_service.store import lifecycle
from reference_service.views import job_view, upload_view
from unstuck.errors import UnstuckError
from unstuck.worlds.sim import Incarnation, SimWorld

Answer = tuple[int, Mapping[str, Any]]
Route = Callable[[Service], Answer]
RETRY_AFTER_S = 1  # as the real one says it
READ_TIMEOUT_S = 15.0  # of a client
CLOSING_S = 5.0  # for requests that are under way when the listener closes
STOP = frozenset({"SIGTERM", "SIGINT"})


def initiate(name: str, size_bytes: int, parts: int | None, tenant: str) -> Route:
    """POST /jobs"""

    def route(service: Service) -> Answer:
        job, target = uploads.initiate(
            service, tenant=tenant, name=name, size_bytes=size_bytes, multipart_parts=parts
        )
        return 201, {"job": job_view(job), "upload": upload_view(job, target)}

    return route


def complete(job: str, tenant: str) -> Route:
    """POST /jobs/{id}/complete"""
    return lambda service: (
        200,
        {"job": job_view(uploads.complete(service, uploads.find(service, tenant, job)))},
    )


def cancel(job: str, tenant: str) -> Route:
    """POST /jobs/{id}/cancel"""
    return lambda service: (
        200,
        {"job": job_view(uploads.cancel(service, uploads.find(service, tenant, job)))},
    )


def get_job(job: str, tenant: str) -> Route:
    """GET /jobs/{id}"""

    def route(service: Service) -> Answer:
        found = uploads.find(service, tenant, job)
        done = lifecycle.done_stages(service.store, job) if found.attempt else ()
        return 200, {"job": job_view(found, done)}

    return route


INTERNAL: Mapping[str, Route] = {
    "recovery": lambda service: (200, recovery_routes.triggered(service, RunRequest())),
    "recovery/pause": lambda service: (200, recovery_routes.paused(service)),
    "recovery/resume": lambda service: (200, recovery_routes.resumed(service)),
}
"""POST /internal/…, whose token is not asked for here."""


class SimApi:
    """One life of an API process."""

    def __init__(self, world: SimWorld, life: Incarnation, service: Service) -> None:
        self.name = life.name
        self._world = world
        self._life = life
        self._service = service
        self._listening = False
        self._draining = False
        self._under_way = 0
        self._bell = world.green.bell("SIGTERM, or the last request")
        life.on_signal = self._on_signal

    @property
    def listening(self) -> bool:
        return self._listening and not self._life.dead

    def serve(self, ready: Callable[[], None]) -> int:
        """Until told to stop; then it refuses work for a while, as `serving` does, and ends."""
        settings = self._service.settings
        self._service.store.run(lambda _: None)  # readiness asks the database
        self._listening = True
        ready()
        self._bell.until(lambda: self._draining, None)
        self._world.green.sleep(min(settings.api_drain_s, settings.drain_grace_s))
        self._listening = False
        self._bell.until(lambda: self._under_way == 0, CLOSING_S)
        return 0

    def ask(self, route: Route, *, reads: bool) -> Answer | None:
        """A client's request; None: the connection broke, or no answer came in time."""
        scheduler, answers = self._world.green, list[Answer]()
        bell = scheduler.bell(f"an answer of {self.name}")
        self._life.when_ended(bell.ring)

        def handle() -> None:
            answers.append(self._handle(route, reads=reads))
            bell.ring()

        scheduler.spawn(f"request to {self.name}", handle, owner=self._life)
        bell.until(lambda: bool(answers) or self._life.dead, READ_TIMEOUT_S)
        return answers[0] if answers else None

    def _handle(self, route: Route, *, reads: bool) -> Answer:
        if self._draining and not reads:
            return 503, {
                "error": "draining: this instance is stopping, try again",
                "retry_after_s": RETRY_AFTER_S,
            }
        self._under_way += 1
        try:
            return route(self._service)
        except Refused as refused:
            return refused.status, {"error": refused.message, "retry_after_s": refused.retry_after_s}
        except Unavailable as error:
            return 503, {"error": str(error), "retry_after_s": RETRY_AFTER_S}
        except UnstuckError as error:
            self._world.blame(error)
            return 500, {"error": "harness error"}
        except Exception as error:  # noqa: BLE001  an uncaught exception of a route is a 500
            return 500, {"error": f"{type(error).__name__}: {error}"}
        finally:
            self._under_way -= 1
            self._bell.ring()

    def _on_signal(self, name: str) -> bool:
        if name not in STOP or not self._service.defended(Defence.DRAIN_ON_SIGTERM):
            return False
        self._draining = True
        self._bell.ring()
        return True
