"""A job in a child of the worker, as the worker knows it; and who renews a lease where there is no child."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reference_service.domain import TERMINAL, Job
from reference_service.metrics import Metrics
from reference_service.ports import Child, ChildEnd, Stopper, Unavailable
from reference_service.presence import Presence
from reference_service.service import Service
from reference_service.store import work


@dataclass(slots=True, kw_only=True)
class Running:
    """A job in a child of ours. Times are on the monotonic clock."""

    job: Job
    child: Child
    folder: Path
    beat_due_at: float
    lease_ends_at: float  # not later than the database has it
    kill_at: float  # the watchdog, unless another stage has begun by then
    stage: str | None = None  # as of the last heartbeat
    heard_at: float = float("-inf")  # when that was
    timed_out: bool = False
    unrenewed: bool = False  # the lease ran out while the database was away: it was killed for that
    lost: bool = False  # the database said that the job is no longer ours
    settled: bool = False  # its job's next move has been made
    stop_asked_at: float | None = None

    @property
    def hear_at(self) -> float:
        """When to renew the lease, and read the stage: at each heartbeat, and once when its time is over."""
        return self.beat_due_at if self.timed_out else min(self.beat_due_at, self.kill_at)

    @property
    def named(self) -> Mapping[str, str | int | None]:
        """For the log."""
        return {"job": self.job.id, "attempt": self.job.attempt, "trace": self.job.trace}


def note_end(metrics: Metrics, running: Running, end: ChildEnd, moved: Job | None) -> None:
    """Counts an attempt that ended, with what its child had noted. One that was killed noted nothing."""
    result = end.result or {}
    metrics.add(result.get("metrics", ()))
    killed = "timed_out" if running.timed_out else "lost" if running.unrenewed else "killed"
    outcome = "lease_lost" if moved is None else str(result.get("outcome") or killed)
    metrics.count("reference_attempts_total", outcome=outcome, reason=str(result.get("reason") or ""))
    if moved is not None and moved.state in TERMINAL:
        metrics.observe("reference_job_seconds", moved.updated_at - moved.created_at, state=moved.state)


class Beating:
    """A stopper for a job that runs in the worker itself, where nobody else renews the lease."""

    def __init__(self, service: Service, presence: Presence, job: Job, inner: Stopper) -> None:
        self._service = service
        self._presence = presence
        self._job = job
        self._inner = inner
        self._due_at = 0.0

    @property
    def asked(self) -> bool:
        service = self._service
        now = service.clock.monotonic()
        if now >= self._due_at:
            self._due_at = now + service.settings.heartbeat_s
            with contextlib.suppress(Unavailable):  # the next one may come in time
                self._presence.beat_if_due()
                work.heartbeat(service.store, self._job, lease_s=service.settings.lease_s, rss_bytes=None)
        return self._inner.asked

    def measure(self, stage: str) -> None:
        self._inner.measure(stage)
