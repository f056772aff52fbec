"""A deep look at whether everything is there that a job needs: each dependency is asked, now.

It says whether work would get through, and so who should be sent some. It never says that this process should
be restarted: what is wrong elsewhere is still wrong afterwards, and what was under way is lost.

Readiness is of a role: what it cannot work without, and no more. For an object store that is away all
processes of an API would be unready at once, though status, lists, cancelling and new jobs (an upload's
address is signed here) need the database only. A request that does need more is answered with 503.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sqlalchemy import text

from reference_service import disk
from reference_service.domain import Defence
from reference_service.ports import Rejected, Unavailable
from reference_service.service import Service

EVERYTHING = ("database", "queue", "objects", "disk", "codecs", "vision")
NEEDS: Mapping[str, tuple[str, ...]] = {
    "api": ("database",),
    "worker": EVERYTHING,
    "sweeper": ("database", "objects"),
    "scheduler": ("database", "objects"),
    "relay": ("database", "objects", "queue"),
    "push": ("database", "queue"),
}
"""What each role cannot work without, in the order in which it is asked."""
CODECS = ("libx264", "aac", "mjpeg")


@runtime_checkable
class Answering(Protocol):
    """A client that can ask whether anybody is there."""

    def ping(self) -> str | None:
        """What is wrong; None: nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One dependency; `problem` None: it works."""

    what: str
    problem: str | None
    took_s: float


def needs_of(service: Service, role: str) -> tuple[str, ...]:
    """With `outbox` off, whoever queues a job sends its event itself; an API still has other requests."""
    needs = NEEDS[role]
    fixed = role == "api" or "queue" in needs or service.defended(Defence.OUTBOX)
    return needs if fixed else (*needs, "queue")


def trouble(service: Service, role: str) -> str | None:
    """Why the role should be sent no work now, in one line; None: it is ready."""
    found = examine(service, needs_of(service, role))
    problems = [f"{finding.what}: {finding.problem}" for finding in found if finding.problem is not None]
    return "; ".join(problems) or None


def examine(service: Service, needed: Collection[str] = EVERYTHING) -> list[Finding]:
    """Each dependency that is needed, in turn. Never raises for one that is away."""
    checks: Mapping[str, Callable[[Service], str | None]] = {
        "database": _database,
        "queue": _queue,
        "objects": _objects,
        "disk": _disk,
        "codecs": _codecs,
        "vision": _vision,
    }
    found = []
    for what in needed:
        began = service.clock.monotonic()
        try:
            problem = checks[what](service)
        except Unavailable as error:
            problem = str(error)
        took_s = round(service.clock.monotonic() - began, 6)
        found.append(Finding(what=what, problem=problem, took_s=took_s))
    return found


def _database(service: Service) -> str | None:
    service.store.single(lambda connection: connection.execute(text("SELECT 1")).scalar())
    return None


def _queue(service: Service) -> str | None:
    service.jobs_queue.depth()
    return None


def _objects(service: Service) -> str | None:
    """Nothing is there under that name. That somebody says so is enough, or that we may not know: who may not
    list a bucket is told 403 of each object that is missing.
    """
    with contextlib.suppress(Rejected):
        service.objects.head("healthz")
    return None


def _disk(service: Service) -> str | None:
    """By what a worker takes no job without."""
    settings = service.settings
    root, wanted = disk.root_of(settings), settings.disk_reserve_bytes
    try:
        free = disk.free_bytes(settings, root)
    except OSError as error:
        return f"{root}: {error.strerror}"
    return None if free >= wanted else f"{free} bytes are free, {wanted} are needed"


def _codecs(_service: Service) -> str | None:
    import av  # noqa: PLC0415  a role that processes no media loads it only when it is asked

    missing = [name for name in CODECS if name not in av.codecs_available]
    return f"missing: {', '.join(missing)}" if missing else None


def _vision(service: Service) -> str | None:
    vision = service.vision
    return vision.ping() if isinstance(vision, Answering) else None
