"""What the end of a child means for its job."""

from __future__ import annotations

from reference_service.domain import Defence, Job, Reason, used_up
from reference_service.ports import ChildEnd
from reference_service.service import Service
from reference_service.store import lifecycle, recovery

SIGKILL = 9


def judge(end: ChildEnd, *, timed_out: bool, by_evidence: bool = True) -> Reason:
    """Why a child that did not succeed ended; `memory_exceeded` only with evidence.

    A watchdog and the kernel kill by the same signal. `by_evidence` off (`kill_evidence`): whatever was
    killed counts as out of memory, as the logs of many a server guess.
    """
    if end.result is not None and end.result.get("reason") is not None:
        return Reason(str(end.result["reason"]))
    if not by_evidence and end.signal == SIGKILL:
        return Reason.MEMORY_EXCEEDED
    if end.oom_kills:  # none, where we killed it: the kernel was the first
        return Reason.MEMORY_EXCEEDED
    if timed_out:
        return Reason.TIMED_OUT
    return Reason.CRASHED


def attempts_max(service: Service) -> int | None:
    """None: `attempt_limit` is off, and a job is tried for ever."""
    return service.settings.attempts_max if service.defended(Defence.ATTEMPT_LIMIT) else None


def take_back(service: Service, job: Job, *, only_expired: bool) -> Job | None:
    """An attempt was lost, with its worker or to whoever held that up: its job -> queued, or failed when its
    attempts are used up. None when somebody holds it after all. Raises `Unavailable`.

    The first `losses_spared` are not charged: a deploy, a host or a network took them, most of the time, and
    a job that several of those have met did nothing wrong. One that takes its worker with it looks the same,
    so that there is an end to it. `losses_apart` off charges each, as if the job had crashed by itself.
    """
    spared = service.settings.losses_spared if service.defended(Defence.LOSSES_APART) else 0
    return recovery.give_back(
        service.store,
        job,
        attempts_max=attempts_max(service),
        losses_spared=spared,
        only_expired=only_expired,
    )


def is_used_up(service: Service, job: Job) -> bool:
    """Whether the job has had all its attempts, by its row: its child may have begun the effect since.

    Raises `Unavailable`.
    """
    limit = attempts_max(service)
    if not used_up(job, limit):
        return False
    current = lifecycle.get_job(service.store, job.id)
    return current is None or used_up(current, limit)
