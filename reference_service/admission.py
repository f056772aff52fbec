"""Whether new work is taken now: no tenant above its rate, and no more waiting than can be done in time.

What was taken is done. So work is refused while it is nobody's yet, at its announcement, and the answer says
when to come again: 429 is the tenant's own doing (its rate, its share of what may wait), 503 is everybody's.
"""

from __future__ import annotations

import math

from reference_service.domain import Defence
from reference_service.service import Service
from reference_service.settings import Settings
from reference_service.store import lifecycle


class Refused(Exception):  # noqa: N818  an answer, not a bug
    """The request cannot be met; `status` is the HTTP status that says so.

    `retry_after_s`: when to come again; None: there is no telling, or no use.
    """

    def __init__(self, *, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


def admit(service: Service, tenant: str) -> None:
    """Takes one announcement of the tenant, or raises `Refused` with 429 or 503. Raises `Unavailable`."""
    settings = service.settings
    if service.defended(Defence.RATE_LIMIT):
        wait_s = service.rates.take(tenant, service.clock)
        if wait_s > 0:
            raise _refusal(
                service,
                429,
                f"tenant={tenant!r}: more than {settings.rate_per_s:g} announcements a second",
                wait_s,
                "rate",
            )
    if service.defended(Defence.QUEUE_LIMIT):
        waiting, own = lifecycle.count_waiting(
            service.store, tenant, most=settings.queue_depth_max, lately_s=settings.upload_idle_s
        )
        free = settings.queue_depth_max - waiting
        wait_s = service.randomness.uniform(settings.retry_after_s, 2 * settings.retry_after_s)
        if free <= 0:
            text = f"{waiting} jobs wait already, and no more are taken"
            raise _refusal(service, 503, text, wait_s, "queue")
        if service.defended(Defence.TENANT_FAIRNESS) and not _has_share(settings, own, free):
            text = f"tenant={tenant!r}: {own} of its jobs wait already, and room for {free} is left to others"
            raise _refusal(service, 429, text, wait_s, "share")


def _has_share(settings: Settings, own: int, free: int) -> bool:
    """Whether a tenant of whose jobs `own` wait may bring one more while there is room for `free`.

    It may hold `queue_share` of what it holds and what is free. So n tenants that bring all they can come to
    rest at the same number each, and some room always stays: at a share of 0.9 and alone, nine tenths of the
    depth and one tenth; two, nine nineteenths and one. Whoever comes new finds it, and nobody counts tenants.
    """
    return own < settings.queue_share * (own + free)


def _refusal(service: Service, status: int, text: str, wait_s: float, why: str) -> Refused:
    service.metrics.count("reference_requests_refused_total", why=why)
    after_s = max(1, math.ceil(wait_s)) if service.defended(Defence.RETRY_AFTER) else None
    hint = f"; come again in {after_s} s" if after_s is not None else ""
    return Refused(status=status, message=text + hint, retry_after_s=after_s)
