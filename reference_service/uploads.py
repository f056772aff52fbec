"""What a client can do with its jobs, as plain functions; the API's routes only translate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reference_service import trace
from reference_service.admission import Refused, admit
from reference_service.discards import collect
from reference_service.domain import PERMANENT, RETRYABLE, TERMINAL, Defence, Job, Reason, State, is_job_id
from reference_service.ports import ObjectFacts
from reference_service.service import Service, announce, announce_id
from reference_service.store import lifecycle
from reference_service.store.events import discard_object
from reference_service.store.lifecycle import NewJob
from reference_service.unverified import is_unverified, verify

MULTIPART_URL_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTarget:
    """Where the client puts the file: one URL, or one for each part of a multipart upload."""

    url: str | None
    upload_id: str | None
    part_urls: Sequence[str]
    expires_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """The retry of a job. `target` None: its upload is there. `new` False: an earlier call made it."""

    job: Job
    target: UploadTarget | None
    new: bool


def initiate(
    service: Service, *, tenant: str, name: str, size_bytes: int | None, multipart_parts: int | None = None
) -> tuple[Job, UploadTarget]:
    """A job in `awaiting_upload`, and where to put its file before the deadline.

    Raises `Refused`: 413 for a size above the limit, 429 or 503 when no work is taken now; `Unavailable`.
    """
    limit = service.settings.upload_bytes_max
    if size_bytes is not None and size_bytes > limit:
        raise Refused(status=413, message=f"size_bytes={size_bytes}: at most {limit}")
    admit(service, tenant)
    job_id = new_job_id(service)
    key = upload_key_of(job_id)
    new = NewJob(
        id=job_id,
        tenant=tenant,
        name=name,
        upload_key=key,
        upload_deadline_s=service.settings.upload_deadline_s,
        upload_id=service.objects.create_multipart(key) if multipart_parts else None,
        expected_bytes=size_bytes,
        trace=trace.current() or trace.of_job(job_id),
    )
    job = _add(service, new)
    service.points.reach("api.initiate.committed", job=job.id)
    if not service.defended(Defence.CLAIM_ONLY_QUEUED):
        announce_id(service, job.id)
    service.metrics.count("reference_uploads_total", what="initiated")
    service.log.info("upload initiated", job=job.id, trace=job.trace, tenant=tenant, size_bytes=size_bytes)
    return job, upload_target(service, job, multipart_parts or 0)


def _add(service: Service, new: NewJob) -> Job:
    early = new.state is State.AWAITING_UPLOAD and not service.defended(Defence.CLAIM_ONLY_QUEUED)
    return lifecycle.create_job(service.store, new, announce_early=early)


def new_job_id(service: Service) -> str:
    return f"j-{service.randomness.token_hex(8)}"


def upload_key_of(job_id: str) -> str:
    return f"uploads/{job_id}/source"


def job_of_key(key: str) -> str | None:
    """The job that an object was uploaded for; None for any other object."""
    parts = key.split("/")
    ours = len(parts) == 3 and parts[0] == "uploads" and parts[2] == "source" and is_job_id(parts[1])
    return parts[1] if ours else None


def upload_target(service: Service, job: Job, multipart_parts: int) -> UploadTarget:
    """Presigned URLs, good until about the deadline.

    A multipart upload's deadline is put off for as long as it moves, so its URLs are good for a day.
    """
    expires_s = max(1, math.ceil(service.settings.upload_deadline_s))
    if job.upload_id is not None:
        expires_s = max(expires_s, MULTIPART_URL_S)
    if job.upload_id is None:
        url = service.objects.presign_put(job.upload_key, expires_s=expires_s)
        return UploadTarget(url=url, upload_id=None, part_urls=(), expires_s=expires_s)
    urls = [
        service.objects.presign_part(job.upload_key, job.upload_id, number, expires_s=expires_s)
        for number in range(1, multipart_parts + 1)
    ]
    return UploadTarget(url=None, upload_id=job.upload_id, part_urls=urls, expires_s=expires_s)


def find(service: Service, tenant: str, job_id: str) -> Job:
    """Raises `Refused` (404) when the tenant has no such job, whoever else may have."""
    job = lifecycle.get_job(service.store, job_id) if is_job_id(job_id) else None
    if job is None or job.tenant != tenant:
        raise Refused(status=404, message=f"job={job_id!r}: no such job")
    return job


def complete(service: Service, job: Job, *, etag: str | None = None, source: str = "api") -> Job:
    """The job once its upload is verified: queued exactly once, however often and from wherever this is
    called (a client, its retry, the object store's notification).

    Raises `Refused`: 409 the object is not there (yet), or the job was cancelled; 410 it has expired;
    422 what was uploaded is not what was announced. Raises `Unavailable`.
    """
    if not service.defended(Defence.COMPLETE_IDEMPOTENCY):
        return _complete_again(service, job, source)
    by_hand = is_unverified(service, job)
    if job.state is not State.AWAITING_UPLOAD and not by_hand:
        return _already(service, job)
    facts = verified_object(service, job)
    if facts is None and service.defended(Defence.OBJECT_CHECK):
        raise Refused(
            status=409, message=f"job={job.id!r}: its object is not there; upload it, then complete"
        )
    if facts is not None and service.defended(Defence.OBJECT_CHECK):
        problem = mismatch(job, facts, etag)
        if problem is not None:
            return _fail_mismatch(service, job, problem)
    service.points.reach(f"{source}.complete.before_commit", job=job.id)
    if by_hand and facts is not None:
        return verify(service, job, facts) or _already(service, find(service, job.tenant, job.id))
    queued = lifecycle.mark_uploaded(
        service.store,
        job.id,
        etag=facts.etag if facts else etag,
        size_bytes=facts.size_bytes if facts else None,
    )
    service.points.reach(f"{source}.complete.committed", job=job.id)
    if queued is None:  # another completion, a cancel or the sweeper came first
        return _already(service, find(service, job.tenant, job.id))
    announce(service, queued)
    service.metrics.count("reference_uploads_total", what="completed")
    service.log.info("upload complete", job=job.id, trace=job.trace, by=source, size_bytes=queued.size_bytes)
    return queued


def verified_object(service: Service, job: Job) -> ObjectFacts | None:
    """What lies under the job's key, a finished multipart put together first; None: nothing (yet)."""
    check = service.defended(Defence.OBJECT_CHECK)
    facts = service.objects.head(job.upload_key) if check else None
    if facts is None and job.upload_id is not None:
        parts = service.objects.parts(job.upload_key, job.upload_id)
        there = sum(part.size_bytes for part in parts)
        if parts and job.expected_bytes in {None, there}:
            service.objects.complete_multipart(job.upload_key, job.upload_id)
        facts = service.objects.head(job.upload_key) if check else None
    return facts


def mismatch(job: Job, facts: ObjectFacts, etag: str | None = None) -> str | None:
    """What is wrong with the object, in words; None when it is what was announced."""
    if job.expected_bytes is not None and facts.size_bytes != job.expected_bytes:
        return f"size_bytes={facts.size_bytes}: {job.expected_bytes} were announced"
    if etag is not None and facts.etag != etag.strip('"'):
        return f"etag={etag!r}: the object's is {facts.etag!r}"
    return None


def _fail_mismatch(service: Service, job: Job, problem: str) -> Job:
    failed = lifecycle.fail_upload(service.store, job.id, Reason.UPLOAD_MISMATCH)
    if failed is None and is_unverified(
        service, job
    ):  # put back by the next sweep, it fails by the next call
        raise Refused(status=422, message=f"job={job.id!r}: {problem}")
    if failed is None:
        return _already(service, find(service, job.tenant, job.id))
    collect(service, job.id)
    service.log.warning("upload refused", job=job.id, problem=problem)
    raise Refused(status=422, message=f"job={job.id!r}: {problem}")


def _already(service: Service, job: Job) -> Job:
    """The answer to a completion that finds the job out of `awaiting_upload`."""
    if job.state in {State.EXPIRED, State.CANCELLED} and job.etag is None:
        discard_object(service.store, job.id, job.upload_key)  # it came too late: nobody will read it
        collect(service, job.id)
    if job.state is State.EXPIRED:
        raise Refused(status=410, message=f"job={job.id!r}: its upload deadline has passed; start a new one")
    if job.state is State.CANCELLED:
        raise Refused(status=409, message=f"job={job.id!r}: it was cancelled; retry makes a new job")
    if job.reason is Reason.UPLOAD_MISMATCH:
        raise Refused(status=422, message=f"job={job.id!r}: what was uploaded is not what was announced")
    return job


def _complete_again(service: Service, job: Job, source: str) -> Job:
    """`complete_idempotency` off: whoever says that the upload is complete queues the job again."""
    facts = verified_object(service, job)
    if facts is None and service.defended(Defence.OBJECT_CHECK):
        raise Refused(
            status=409, message=f"job={job.id!r}: its object is not there; upload it, then complete"
        )
    service.points.reach(f"{source}.complete.before_commit", job=job.id)
    queued = lifecycle.queue_whatever(
        service.store,
        job.id,
        etag=facts.etag if facts else None,
        size_bytes=facts.size_bytes if facts else None,
    )
    service.points.reach(f"{source}.complete.committed", job=job.id)
    announce(service, queued)
    return queued or job


def cancel(service: Service, job: Job) -> Job:
    """The job, cancelled; idempotent. Raises `Refused` (409) when it has ended otherwise, or is being
    published, which cannot be taken back.
    """
    cancelled = lifecycle.cancel_job(service.store, job.id)
    if cancelled is None:
        current = find(service, job.tenant, job.id)
        if current.state is not State.CANCELLED:
            is_so = f"{current.state} already" if current.state in TERMINAL else "being published"
            raise Refused(status=409, message=f"job={job.id!r}: it is {is_so}")
        return current
    service.points.reach("api.cancel.committed", job=job.id)
    if job.state is not State.ACTIVE:  # else its worker still writes, and discards when it has stopped
        collect(service, job.id)
    service.log.info("cancelled", job=job.id, trace=job.trace)
    return cancelled


def retry(service: Service, job: Job) -> Retried:
    """A job with `retry_of`: queued when the upload is still there, else with a target for a new one.

    One at a time: as long as an earlier retry has not ended badly itself, that one is the answer, so that
    a client whose answer was lost may ask again. Raises `Refused` (409) unless the job failed, expired or
    was cancelled.
    """
    if job.state not in RETRYABLE:
        raise Refused(
            status=409, message=f"job={job.id!r}: it is {job.state}; only what failed can be retried"
        )
    known = lifecycle.live_retry(service.store, job.id)
    if known is not None:  # it was admitted; asking again brings no work
        return _retried(service, known, new=False)
    admit(service, job.tenant)
    usable = job.etag is not None and job.reason not in PERMANENT
    facts = service.objects.head(job.upload_key) if usable else None
    there = facts is not None and facts.etag == job.etag
    new_id = new_job_id(service)
    new = NewJob(
        id=new_id,
        tenant=job.tenant,
        name=job.name,
        upload_key=job.upload_key if there else upload_key_of(new_id),
        upload_deadline_s=0.0 if there else service.settings.upload_deadline_s,
        expected_bytes=job.expected_bytes,
        etag=job.etag if there else None,
        size_bytes=facts.size_bytes if facts and there else None,
        retry_of=job.id,
        state=State.QUEUED if there else State.AWAITING_UPLOAD,
        trace=trace.current() or trace.of_job(new_id),
    )
    made = _add(service, new)
    is_new = made.id == new_id
    if is_new:
        service.points.reach("api.retry.committed", job=made.id)
        if made.state is State.QUEUED:
            announce(service, made)
        service.log.info("retried", job=made.id, trace=made.trace, retry_of=job.id)
    return _retried(service, made, new=is_new)


def _retried(service: Service, made: Job, *, new: bool) -> Retried:
    waits = made.state is State.AWAITING_UPLOAD
    return Retried(job=made, target=upload_target(service, made, 0) if waits else None, new=new)
