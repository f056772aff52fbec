"""How long an attempt may stay in a stage: by what the stage costs, and by the size of the job."""

from __future__ import annotations

from collections.abc import Mapping

from reference_service.domain import Defence, Job
from reference_service.service import Service

MIB = 1024 * 1024
WEIGHTS: Mapping[str | None, float] = {
    None: 1.0,  # before its first stage: the source is fetched, and what earlier attempts have kept
    "inspect": 0.0,  # reads the beginning only
    "frames": 1.0,
    "scenes": 0.5,
    "captions": 0.5,
    "thumbnails": 0.5,
    "stitch": 2.0,
    "publish": 0.5,
}
"""By how much of `stage_timeout_s_per_mib` the time grows with each MiB. As measured on 1280x720: stitch
decodes and encodes, frames decodes; the others work on what frames has left, which is small."""


def stage_timeout_s(service: Service, job: Job, stage: str | None) -> float:
    """Seconds that the stage may take; of a job whose size nobody knows, the most that any may."""
    settings = service.settings
    if job.size_bytes is None:
        return settings.stage_timeout_max_s
    by_size_s = settings.stage_timeout_s_per_mib * WEIGHTS[stage] * job.size_bytes / MIB
    return min(settings.stage_timeout_max_s, settings.stage_timeout_s + by_size_s)


def first_timeout_s(service: Service, job: Job) -> float:
    """From the start of an attempt until its first stage is known to have begun; `timeout_by_size` off:
    until its end, the same for all.
    """
    if service.defended(Defence.TIMEOUT_BY_SIZE):
        return stage_timeout_s(service, job, None)
    return service.settings.job_timeout_s
