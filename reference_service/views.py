"""What clients see of jobs: plain dictionaries, ready for JSON."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from reference_service.domain import STAGES, Job, State, is_job_id
from reference_service.uploads import UploadTarget


def job_view(job: Job, done: Collection[str] = ()) -> dict[str, Any]:
    """`done` are the stages with a checkpoint. Times are seconds since 1970; no key or token is shown."""
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state.value,
        "stage": job.stage,
        "attempt": job.attempt,
        "reason": job.reason.value if job.reason else None,
        "size_bytes": job.size_bytes if job.size_bytes is not None else job.expected_bytes,
        "retry_of": job.retry_of,
        "tags": [job.triggered_by] if job.triggered_by else [],
        "result_prefix": job.result_prefix,
        "trace": job.trace,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "stages": [{"name": stage, "state": _stage_state(job, stage, done)} for stage in STAGES],
    }


def _stage_state(job: Job, stage: str, done: Collection[str]) -> str:
    if job.state is State.SUCCEEDED or stage in done:
        return "done"
    if job.stage == stage and job.state is State.ACTIVE:
        return "running"
    if job.stage == stage and job.state is State.FAILED:
        return "failed"
    return "pending"


def upload_view(job: Job, target: UploadTarget) -> dict[str, Any]:
    """Where to put the file, and until when."""
    view: dict[str, Any] = {
        "method": "PUT",
        "deadline": job.upload_deadline,
        "expires_in_s": target.expires_s,
    }
    if target.url is not None:
        return {**view, "url": target.url}
    parts = [{"number": number, "url": url} for number, url in enumerate(target.part_urls, start=1)]
    return {**view, "upload_id": target.upload_id, "parts": parts}


def cursor_of(job: Job) -> str:
    """Says where the next page begins."""
    return f"{job.created_at!r}~{job.id}"


def parse_cursor(cursor: str) -> tuple[float, str]:
    """Raises `ValueError`."""
    at, _, job_id = cursor.partition("~")
    if not is_job_id(job_id):
        raise ValueError(cursor)
    return float(at), job_id


def printable(text: str) -> str:
    """For a terminal: clients choose names, and what acts on a terminal must not come out of a table."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
