"""The relay: hands the outbox to the queue, takes the object store's word that an upload is there, and
watches over the rest (`alerts`).

At least once: an event is sent first and marked then, so a crash between the two sends it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from reference_service.admission import Refused
from reference_service.alerts import Watch
from reference_service.domain import Defence
from reference_service.ports import Message, Runtime, Unavailable
from reference_service.presence import Presence
from reference_service.retry import pauses
from reference_service.service import Service
from reference_service.store import events, lifecycle
from reference_service.uploads import complete, job_of_key

BATCH = 50
LONGEST_PAUSE_S = 5.0
QUIET_S = 0.5


def loop(service: Service, runtime: Runtime, on_ready: Callable[[], None] = lambda: None) -> None:
    """Relays every `relay_every_s` until told to stop; slower while a dependency is away."""
    presence = Presence(service, runtime, "relay")
    notifications = _Notifications(service)
    watch = Watch(service, "relay")
    every_s = service.settings.relay_every_s
    trouble = None
    parts = (
        presence.beat_if_due,
        watch.look_if_due,
        lambda: publish(service),
        notifications.take_if_due,
    )
    on_ready()
    while not runtime.stopping:
        healthy = True
        for part in parts:
            healthy = _survive(service, part) and healthy
        if healthy:
            trouble = None
            runtime.wait(every_s)
        else:
            longest_s = max(LONGEST_PAUSE_S, every_s)
            trouble = trouble or pauses(service.randomness, first_s=every_s, longest_s=longest_s)
            runtime.wait(next(trouble))
    presence.say_goodbye()


class _Notifications:
    """Looks less often while none come: they are the second way to learn of an upload."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._due_at = service.clock.monotonic()

    def take_if_due(self) -> None:
        now = self._service.clock.monotonic()
        if now >= self._due_at and take_notifications(self._service) == 0:
            self._due_at = now + max(QUIET_S, self._service.settings.relay_every_s)


def _survive(service: Service, part: Callable[[], object]) -> bool:
    try:
        part()
    except Unavailable as error:
        service.log.warning("a dependency is away", error=str(error))
        return False
    return True


def publish(service: Service) -> int:
    """Sends what waits in the outbox, as far as the queue has room; how many. Raises `Unavailable`.

    The tenants take turns, so that one with many jobs is no burden to one with few. The rest waits for the
    next time.
    """
    fair = service.defended(Defence.TENANT_FAIRNESS)
    waiting = events.unpublished(service.store, limit=BATCH, fair=fair)
    window = service.settings.queue_window
    if waiting and window:
        # What is in the queue has its turn; the others' order can still change for who comes later.
        waiting = waiting[: max(0, window - service.jobs_queue.depth())]
    for event in waiting:
        service.points.reach("relay.publish.before_send", job=event.job)
        service.jobs_queue.send(event.body)
        service.points.reach("relay.publish.sent", job=event.job)
        events.mark_published(service.store, event)
        service.metrics.count("reference_events_sent_total")
        service.log.info("event sent", job=event.job, trace=event.body.get("trace"))
    return len(waiting)


def take_notifications(service: Service) -> int:
    """Completes what the object store says was uploaded; how many messages were done with."""
    messages = service.uploads_queue.receive(wait_s=0.0, most=10)
    for message in messages:
        for key in created_keys(message):
            _complete_key(service, key)
        service.uploads_queue.delete(message)
        service.metrics.count("reference_notifications_total")
    return len(messages)


def created_keys(message: Message) -> list[str]:
    """Keys of the objects that an S3 notification says were created; none for any other message."""
    records = message.body.get("Records")
    if not isinstance(records, list):
        return []  # the test event that S3 sends first, or nothing of ours
    return [key for record in records if (key := _created_key(record)) is not None]


def _created_key(record: Any) -> str | None:
    if not isinstance(record, Mapping) or not str(record.get("eventName", "")).startswith("ObjectCreated"):
        return None
    try:
        return unquote_plus(record["s3"]["object"]["key"])
    except (KeyError, TypeError):
        return None


def _complete_key(service: Service, key: str) -> None:
    job_id = job_of_key(key)
    job = lifecycle.get_job(service.store, job_id) if job_id is not None else None
    if job is None:
        return
    try:
        complete(service, job, source="relay")
    except Refused as refused:
        service.log.info("notification of no use", job=job.id, answer=refused.message)
