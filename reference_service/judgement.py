"""What the end of a child means for its job."""

from __future__ import annotations

from reference_service.domain import Defence, Reason
from reference_service.ports import ChildEnd
from reference_service.service import Service


def judge(end: ChildEnd, *, timed_out: bool) -> Reason:
    """Why a child that did not succeed ended; `memory_exceeded` only with evidence."""
    if end.result is not None and end.result.get("reason") is not None:
        return Reason(str(end.result["reason"]))
    if timed_out:
        return Reason.TIMED_OUT
    if end.oom_kills:
        return Reason.MEMORY_EXCEEDED
    return Reason.CRASHED


def attempts_max(service: Service) -> int | None:
    """None: `attempt_limit` is off, and a job is tried for ever."""
    return service.settings.attempts_max if service.defended(Defence.ATTEMPT_LIMIT) else None
