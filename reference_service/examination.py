"""A deep look at whether everything is there that a job needs: each dependency is asked, now.

It says whether work would get through, and so who should be sent some. It never says that this process should
be restarted: what is wrong elsewhere is still wrong afterwards, and what was under way is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Protocol, runtime_checkable

from sqlalchemy import text

from reference_service.disk import free_bytes
from reference_service.ports import Unavailable
from reference_service.service import Service

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


def examine(service: Service) -> list[Finding]:
    """Every dependency in turn. Never raises for one that is away."""
    checks: Mapping[str, Callable[[Service], str | None]] = {
        "database": _database,
        "queue": _queue,
        "objects": _objects,
        "disk": _disk,
        "codecs": _codecs,
        "vision": _vision,
    }
    found = []
    for what, check in checks.items():
        began = service.clock.monotonic()
        try:
            problem = check(service)
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
    service.objects.head("healthz")  # there is none: that somebody says so is enough
    return None


def _disk(service: Service) -> str | None:
    """By the measure of a worker, which takes no job with less room."""
    settings = service.settings
    folder = Path(settings.work_folder or gettempdir()) / f"reference-{settings.instance}"
    try:
        free = free_bytes(settings, folder)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    needed = settings.disk_reserve_bytes
    return None if free >= needed else f"{free} bytes are free, {needed} are needed"


def _codecs(_service: Service) -> str | None:
    import av  # noqa: PLC0415  a role that processes no media loads it only when it is asked

    missing = [name for name in CODECS if name not in av.codecs_available]
    return f"missing: {', '.join(missing)}" if missing else None


def _vision(service: Service) -> str | None:
    vision = service.vision
    return vision.ping() if isinstance(vision, Answering) else None
