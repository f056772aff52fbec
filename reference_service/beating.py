"""The lease of a job that runs in the worker itself (`child_isolation` off), where nobody else renews it."""

from __future__ import annotations

import contextlib

from reference_service.domain import Job
from reference_service.ports import Stopper, Unavailable
from reference_service.presence import Presence
from reference_service.service import Service
from reference_service.store import work


class Beating:
    """A stopper that renews the lease, and its instance's row, whenever it is asked and that is due."""

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
