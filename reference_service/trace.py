"""The trace of a job: one id (W3C Trace Context, 32 hex digits) from the client's request to the last call.

It is kept with the job and in its events, sent on in `traceparent` with every call for the job to sink and
vision API, and stands in each line of a log that tells of the job. What is current belongs to a request, or
to a job's child; it needs no passing on through what has nothing else to do with it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "traceparent"
PARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_current: ContextVar[str | None] = ContextVar("trace", default=None)


def current() -> str | None:
    """The trace that this request, or this child, works for."""
    return _current.get()


@contextmanager
def within(trace: str | None) -> Iterator[None]:
    """Makes it the current one."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def of_header(value: str | None) -> str | None:
    """The trace id of a `traceparent`; None for none, and for one that is not well formed."""
    found = PARENT.fullmatch(value.strip().lower()) if value else None
    return None if found is None or value is None or value.lower().startswith("ff") else found[1]


def of_job(job_id: str) -> str:
    """The trace of a job whose client brought none: as random as the id, which it follows from."""
    return hashlib.sha256(job_id.encode()).hexdigest()[:32]


def headers() -> Mapping[str, str]:
    """What a call for the current trace carries; nothing when there is none."""
    trace = current()
    if trace is None:
        return {}
    span = hashlib.sha256(f"{trace}:caller".encode()).hexdigest()[:16]
    return {HEADER: f"00-{trace}-{span}-01"}
