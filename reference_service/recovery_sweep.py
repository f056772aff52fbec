"""The recovery sweep: sets jobs going that wait while nobody is about to run them, slowly and on record.

It is the net below the sweeper. The sweeper repairs what the service itself knows to be due (a lease, a
deadline, an event that was sent and not answered), every few seconds, and leaves no record. This one believes
none of that: it asks which jobs are old and have no run, whatever the reason, every quarter of an hour, one
run at a time over all instances, and an operator can pause it, trigger it, and read afterwards what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reference_service import uploads
from reference_service.admission import Refused
from reference_service.domain import Defence, Job, State
from reference_service.ports import Unavailable
from reference_service.service import Service, announce, announce_id
from reference_service.store import lifecycle, recovery_runs, stuck
from reference_service.store.recovery_runs import Decision, Grant, Halted, Item, RunState
from reference_service.store.stuck import Protection, Stuck

NOTHING_THERE = "no upload: its deadline decides"
STILL_MOVES = "uploading: a part came lately"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one run came to. `run` is None for a dry one, which writes nothing and has no record."""

    run: int | None
    state: RunState
    found: Sequence[Stuck]
    items: Sequence[Item]

    def of(self, decision: Decision) -> Sequence[Item]:
        return [item for item in self.items if item.decision is decision]

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many for which reason; the reason without its particulars."""
        counts: dict[str, int] = {}
        for item in self.of(Decision.SKIPPED):
            kind = kind_of(item)
            counts[kind] = counts.get(kind, 0) + 1
        return counts


def kind_of(item: Item) -> str:
    """Why it was skipped, without the particulars."""
    return str(item.reason).partition(":")[0]


def find(
    service: Service,
    *,
    age_s: float | None = None,
    job: str | None = None,
    between: Callable[[], object] = lambda: None,
) -> Sequence[Stuck]:
    """Jobs that are stuck: awaiting their upload or queued, older than `age_s`, with no run lately.

    An upload that still moves is not stuck, however old; an object store that does not answer leaves a job
    in the list. `age_s` None: the setting. `between` is called before each question to it. Reads only.
    Raises `Unavailable`.
    """
    settings = service.settings
    found = stuck.stuck_jobs(
        service.store,
        age_s=settings.recovery_stuck_after_s if age_s is None else age_s,
        quiet_s=settings.recovery_quiet_s,
        job=job,
    )
    if not service.defended(Defence.RECOVERY_UPLOAD_CHECK):
        return found
    listed = []
    for one in found:
        if one.job.upload_id is not None:
            between()
        if not _moves(service, one):
            listed.append(one)
    return listed


def _moves(service: Service, found: Stuck) -> bool:
    """Whether a multipart upload got a part within `upload_idle_s`, and not yet all of them."""
    job = found.job
    if job.state is not State.AWAITING_UPLOAD or job.upload_id is None:
        return False
    try:
        parts = service.objects.parts(job.upload_key, job.upload_id)
    except Unavailable as error:
        service.log.warning("no telling whether an upload moves", job=job.id, error=str(error))
        return False
    whole = sum(part.size_bytes for part in parts) == job.expected_bytes
    lately = any(part.last_modified > found.now - service.settings.upload_idle_s for part in parts)
    return lately and not whole


def run_once(
    service: Service,
    *,
    trigger: str,
    age_s: float | None = None,
    job: str | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Summary:
    """One run, recorded. `trigger`: schedule, http or cli; `stopping` ends it between two jobs.

    Raises `NotNow` when another run is under way or recovery is paused, and `Unavailable` when none could
    begin; a database that goes away later ends the run as `unavailable`, and its lease runs out.
    """
    expiring = service.defended(Defence.RECOVERY_LEASE_EXPIRY)
    grant = recovery_runs.begin(
        service.store,
        trigger=trigger,
        lease_s=service.settings.recovery_lease_s if expiring else None,
        exclusive=service.defended(Defence.RECOVERY_SINGLE_FLIGHT),
    )
    service.points.reach("recovery.begun", run=grant.run)
    found: Sequence[Stuck] = ()
    items: list[Item] = []
    state = RunState.DONE
    try:
        # 1. questions to the object store take longer than the lease, 2. another run takes it.
        renew = partial(recovery_runs.renew, service.store, grant)
        found = find(service, age_s=age_s, job=job, between=renew)
        recovery_runs.note_found(service.store, grant, len(found))
        for one in found:
            if stopping():
                state = RunState.STOPPED
                break
            items.append(_recover(service, grant, one))
    except Halted as halted:
        state = halted.state
    except Unavailable as error:
        state = RunState.UNAVAILABLE
        service.log.warning("a recovery run was cut short", run=grant.run, error=str(error))
    _end(service, grant, state)
    service.metrics.count("reference_recovery_found_total", len(found))
    summary = Summary(run=grant.run, state=state, found=found, items=items)
    service.log.info(
        "recovery run", run=grant.run, trigger=trigger, state=state, found=len(found),
        triggered=len(summary.of(Decision.TRIGGERED)), skipped=len(summary.of(Decision.SKIPPED)),
        failed=len(summary.of(Decision.FAILED)),
    )  # fmt: skip
    return summary


def dry_run(service: Service, *, age_s: float | None = None, job: str | None = None) -> Summary:
    """What a run would find now. Writes nothing, and needs no lease. Raises `Unavailable`."""
    found = find(service, age_s=age_s, job=job)
    return Summary(run=None, state=RunState.DONE, found=found, items=())


def _end(service: Service, grant: Grant, state: RunState) -> None:
    try:
        recovery_runs.end(service.store, grant, state)
    except Unavailable as error:  # the next run closes it, once its lease has run out
        service.log.warning("a recovery run was not closed", run=grant.run, error=str(error))


def _recover(service: Service, grant: Grant, found: Stuck) -> Item:
    """One job. Raises `Halted`, and `Unavailable` of the database: an absent object store fails one job."""
    service.points.reach("recovery.job.listed", job=found.job.id)
    protection = Protection(
        active=service.defended(Defence.RECOVERY_RACE_PROTECTION),
        recent=service.defended(Defence.RECOVERY_RECENT_COMPLETION),
        per_job=service.defended(Defence.RECOVERY_ASKS_PER_JOB),
        quiet_s=service.settings.recovery_quiet_s,
    )
    if found.job.state is State.QUEUED:
        item = stuck.set_going(service.store, grant, found, protection)
        if item.decision is Decision.TRIGGERED:
            announce_id(service, found.job.id)
    else:
        reason = stuck.look_again(service.store, grant, found, protection)
        decision, reason = (Decision.SKIPPED, reason) if reason else _take_upload(service, found)
        item = stuck.note(service.store, grant, found, decision=decision, reason=reason)
    _measure(service, item)
    service.points.reach("recovery.job.committed", job=item.job, decision=item.decision.value)
    service.log.info("recovery", job=item.job, decision=item.decision, reason=item.reason)
    return item


def _measure(service: Service, item: Item) -> None:
    service.metrics.count("reference_recovery_jobs_total", result=item.decision.value)
    if item.decision is Decision.SKIPPED:
        service.metrics.count("reference_recovery_skips_total", why=kind_of(item))
    elif item.decision is Decision.TRIGGERED:
        service.metrics.observe("reference_recovery_seconds", item.age_s)


def _take_upload(service: Service, found: Stuck) -> tuple[Decision, str | None]:
    """A job whose upload may be there although nobody said so.

    1. it is completed, 2. we die, 3. the record lacks it: its row in `transitions` is there all the same.
    """
    job = found.job
    if not service.defended(Defence.RECOVERY_UPLOAD_CHECK):
        announce(service, lifecycle.mark_uploaded(service.store, job.id, etag=None, size_bytes=None))
        return Decision.TRIGGERED, None
    try:
        if _moves(service, found):
            return Decision.SKIPPED, STILL_MOVES
        if not upload_is_there(service, job):
            return Decision.SKIPPED, NOTHING_THERE
        uploads.complete(service, job, source="recovery")
    except Refused as refused:
        return Decision.FAILED, refused.message
    except Unavailable as error:
        return Decision.FAILED, str(error)
    return Decision.TRIGGERED, None


def upload_is_there(service: Service, job: Job) -> bool:
    """The object, or all parts of it. What is there in part is left to the upload's deadline."""
    if service.objects.head(job.upload_key) is not None:
        return True
    parts = service.objects.parts(job.upload_key, job.upload_id) if job.upload_id is not None else ()
    return bool(parts) and sum(part.size_bytes for part in parts) == job.expected_bytes


def summary_view(summary: Summary) -> dict[str, Any]:
    """For JSON."""
    return {
        "run": summary.run,
        "state": summary.state.value,
        "found": len(summary.found),
        "triggered": len(summary.of(Decision.TRIGGERED)),
        "skipped": dict(summary.skipped),
        "failed": len(summary.of(Decision.FAILED)),
        "jobs": [stuck_view(one) for one in summary.found],
        "items": [item_view(item) for item in summary.items],
    }


def stuck_view(found: Stuck) -> dict[str, Any]:
    """A stuck job as operators see it: of any tenant, and no key of it."""
    job = found.job
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state.value,
        "age_s": round(found.age_s, 3),
        "tenant": job.tenant,
    }


def item_view(item: Item) -> dict[str, Any]:
    """For JSON."""
    return {
        "job": item.job,
        "decision": item.decision.value,
        "reason": item.reason,
        "state": item.state,
        "age_s": round(item.age_s, 3),
    }


def run_view(run: recovery_runs.Run) -> dict[str, Any]:
    """For JSON. Times are seconds since 1970."""
    return {
        "id": run.id,
        "trigger": run.trigger,
        "actor": run.actor,
        "state": run.state.value,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "found": run.found,
        "triggered": run.triggered,
        "skipped": run.skipped,
        "failed": run.failed,
    }
