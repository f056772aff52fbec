"""The sweeper: brings back what nobody else will. Each item is a transaction of its own.

Killed in mid-sweep it leaves nothing half done: what it had not come to is found by the next sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reference_service.alerts import Watch
from reference_service.discards import FAILURES_MAX, collect, collect_overdue
from reference_service.domain import TERMINAL, Defence, Job, State
from reference_service.ports import ObjectFacts, Runtime, Unavailable
from reference_service.presence import Presence
from reference_service.rescue import call_again, take_from_the_dead
from reference_service.service import Service, announce
from reference_service.store import alerting, events, lifecycle, recovery
from reference_service.store.recovery import LateUpload
from reference_service.unverified import refuses_unverified, sort_out
from reference_service.uploads import mismatch

KEEP_PUBLISHED_S = 3600.0
KEEP_INSTANCES_S = 24 * 3600.0  # for whoever asks what ran yesterday
KEEP_ALERTS_S = 90 * 24 * 3600.0  # for whoever looks back a quarter
LEASE_BATCHES_MAX = 100  # in one sweep: an orphan waits for no second one, unless there are 10,000 before it


def loop(service: Service, runtime: Runtime, on_ready: Callable[[], None] = lambda: None) -> None:
    """Sweeps every `sweep_every_s` until told to stop. Survives any `Unavailable`."""
    presence = Presence(service, runtime, "sweeper")
    watch = Watch(service, "sweeper")  # idle, unless told to do what is the relay's
    on_ready()
    while not runtime.stopping:
        try:
            presence.beat_if_due()
            watch.look_if_due()
        except Unavailable as error:
            service.log.warning("a dependency is away", error=str(error))
        counts = run_once(service, stopping=lambda: runtime.stopping)
        if any(counts.values()):
            service.log.info("swept", **counts)
        runtime.wait(service.settings.sweep_every_s)
    presence.say_goodbye()


def run_once(service: Service, *, stopping: Callable[[], bool] = lambda: False) -> Mapping[str, int]:
    """One sweep; how many items of each kind were moved. `stopping` ends it between two items.

    A dependency that is away ends only the part that needs it, and counts as `unavailable`.
    """
    counts = dict.fromkeys(
        (
            *("requeued", "failed", "expired", "put_off", "queued", "verified", "put_back"),
            *("announced", "removed", "unremoved", "unavailable"),
        ),
        0,
    )
    parts: list[Callable[[], None]] = []
    if service.defended(Defence.LEASE_RECOVERY):
        parts.append(lambda: _recover_leases(service, counts, stopping))
    if service.defended(Defence.UPLOAD_EXPIRY):
        parts.append(lambda: _expire_uploads(service, counts, stopping))
    if refuses_unverified(service):
        parts.append(lambda: sort_out(service, counts, stopping, _right_object))
    if service.defended(Defence.EVENT_RECONCILIATION):
        parts.append(lambda: _announce_again(service, counts, stopping))
    parts.append(lambda: collect_overdue(service, counts, stopping))
    parts.append(lambda: _forget_events(service))
    parts.append(lambda: _forget_instances(service))
    parts.append(lambda: _forget_alerts(service))
    for part in parts:
        if stopping():
            break
        try:
            part()
        except Unavailable as error:
            counts["unavailable"] += 1
            service.log.warning("a part of the sweep was left for the next", error=str(error))
    service.metrics.count("reference_sweeps_total")
    for what, count in counts.items():
        service.metrics.count("reference_swept_total", count, what=what)
    return counts


def _recover_leases(service: Service, counts: dict[str, int], stopping: Callable[[], bool]) -> None:
    """All of them, a batch at a time: a worker that dies may leave more than one batch has."""
    for _ in range(LEASE_BATCHES_MAX):
        found = recovery.expired_leases(service.store)
        came_to = 0
        for job in found:
            if stopping():
                return
            moved = take_from_the_dead(service, job)
            if moved is not None:
                came_to += 1
                counts["failed" if moved.state in TERMINAL else "requeued"] += 1
        if came_to == 0 or len(found) < recovery.BATCH:  # none left, or others move them faster than we do
            return


def _expire_uploads(service: Service, counts: dict[str, int], stopping: Callable[[], bool]) -> None:
    failures = 0
    for late in recovery.late_uploads(service.store):
        if stopping():
            return
        try:
            what = _decide_upload(service, late)
        except Unavailable as error:
            # Not the end of the list at once: what one client made of its upload must not keep others'.
            failures += 1
            service.log.warning("an upload was left for the next sweep", job=late.job.id, error=str(error))
            if failures == FAILURES_MAX:
                raise
            counts["unavailable"] += 1
            continue
        if what is not None:
            counts[what] += 1
            service.points.reach("sweeper.upload.committed", job=late.job.id, decision=what)
            service.log.info("upload deadline passed", job=late.job.id, trace=late.job.trace, decision=what)
        if what == "expired":
            collect(service, late.job.id)


def _decide_upload(service: Service, late: LateUpload) -> str | None:
    """Past its deadline: queued when it is there and right, put off while it moves, else expired."""
    job, settings = late.job, service.settings
    facts = service.objects.head(job.upload_key)
    if facts is None and job.upload_id is not None:
        parts = service.objects.parts(job.upload_key, job.upload_id)
        if parts and sum(part.size_bytes for part in parts) == job.expected_bytes:
            service.objects.complete_multipart(job.upload_key, job.upload_id)
            facts = service.objects.head(job.upload_key)
        elif any(part.last_modified > late.now - settings.upload_idle_s for part in parts):
            more_s = settings.upload_idle_s
            return "put_off" if recovery.put_off_upload(service.store, job.id, more_s=more_s) else None
    if facts is not None and mismatch(job, facts) is None:
        queued = lifecycle.mark_uploaded(service.store, job.id, etag=facts.etag, size_bytes=facts.size_bytes)
        announce(service, queued)
        return None if queued is None else State.QUEUED.value
    return None if recovery.expire_upload(service.store, job.id) is None else State.EXPIRED.value


def _right_object(service: Service, job: Job) -> ObjectFacts | None:
    """What lies under the job's key, if it is what was announced."""
    facts = service.objects.head(job.upload_key)
    return facts if facts is not None and mismatch(job, facts) is None else None


def _announce_again(service: Service, counts: dict[str, int], stopping: Callable[[], bool]) -> None:
    for job_id in recovery.unannounced(service.store, after_s=service.settings.reconcile_after_s):
        if stopping():
            return
        counts["announced"] += call_again(service, job_id)


def _forget_events(service: Service) -> None:
    events.purge_published(service.store, age_s=KEEP_PUBLISHED_S)


def _forget_instances(service: Service) -> None:
    kept_s = max(KEEP_INSTANCES_S, 2 * service.settings.instance_dead_after_s)
    events.purge_instances(service.store, age_s=kept_s)


def _forget_alerts(service: Service) -> None:
    alerting.purge(service.store, age_s=KEEP_ALERTS_S)
