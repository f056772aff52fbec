"""What becomes of a job when the child that ran it has ended."""

from __future__ import annotations

from reference_service import disk
from reference_service.discards import collect, follow_up
from reference_service.domain import PERMANENT, Defence, Job, Outcome
from reference_service.judgement import is_used_up, judge, take_back
from reference_service.ports import ChildEnd
from reference_service.retry import backoff_s
from reference_service.running import Running
from reference_service.service import Service
from reference_service.store import AttemptEnd, lifecycle, work
from reference_service.store.events import discard_stale


def settle(service: Service, running: Running, end: ChildEnd) -> Job | None:
    """Makes the job's next move; None when it is no longer ours.

    Safe to repeat: each move is conditional on our token.
    """
    disk.leave(service, running.folder)
    job = running.job
    moved = None if running.lost else _move_on(service, running, end)
    if moved is None:
        # Somebody else has moved the job (or a commit whose answer was lost did). Our child may have
        # stored more since, and nobody else would remove that.
        current = lifecycle.get_job(service.store, job.id)
        if current is not None:
            discard_stale(service.store, current, job.token)
            collect(service, job.id)
        service.log.info("no longer ours", **running.named)
        return None
    service.points.reach("worker.finish.committed", job=job.id, attempt=job.attempt, state=moved.state)
    service.log.info(
        "attempt ended",
        **running.named,
        state=moved.state,
        reason=moved.reason,
        signal=end.signal,
        exit_code=end.exit_code,
        peak_rss_bytes=end.peak_rss_bytes,
        error=(end.result or {}).get("error"),
    )
    follow_up(service, moved)
    return moved


def _move_on(service: Service, running: Running, end: ChildEnd) -> Job | None:
    job = running.job
    result = end.result or {}
    outcome, units = result.get("outcome"), result.get("units")
    peak, stages = end.peak_rss_bytes, end.stage_peaks
    if outcome == "succeeded":
        prefix = str(result["result_prefix"])
        return work.succeed(
            service.store, job, result_prefix=prefix, peak_rss_bytes=peak, stage_peaks=stages, units=units
        )
    if outcome == "lease_lost":
        return None
    if outcome == "handed_back" or (outcome is None and running.stop_asked_at is not None):
        handed_back = AttemptEnd(
            outcome=Outcome.HANDED_BACK,
            peak_rss_bytes=peak,
            stage_peaks=stages,
            units=units,
            waited_for=result.get("waited_for"),
        )
        return work.requeue(service.store, job, handed_back, after_s=float(result.get("after_s", 0.0)))
    if outcome is None and running.unrenewed:  # as the sweeper would
        return take_back(service, job, only_expired=False)
    evidence = service.defended(Defence.KILL_EVIDENCE)
    reason = judge(end, timed_out=running.timed_out, by_evidence=evidence)
    failed = AttemptEnd(
        outcome=Outcome.FAILED, reason=reason, peak_rss_bytes=peak, stage_peaks=stages, units=units
    )
    if reason in PERMANENT or is_used_up(service, job):
        return work.fail(service.store, job, failed)
    after_s = max(_pause_s(service, job), float(result.get("after_s", 0.0)))
    return work.requeue(service.store, job, failed, after_s=after_s)


def _pause_s(service: Service, job: Job) -> float:
    """Before the next attempt at a job that has failed for a reason which may pass. A lost attempt's job has
    done nothing wrong, and is not kept waiting.
    """
    if not service.defended(Defence.RETRY_BACKOFF):
        return 0.0
    settings = service.settings
    return backoff_s(
        service.randomness, job.charged, first_s=settings.retry_first_s, longest_s=settings.retry_longest_s
    )
