"""Whether a worker has room for more jobs: file descriptors, and a disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reference_service import descriptors, disk
from reference_service.domain import Defence, Job
from reference_service.ports import Runtime, Unavailable
from reference_service.retry import backoff_s, pause_s
from reference_service.service import Service
from reference_service.store import work

NO_ROOM = "no_room"  # why an attempt was handed back, in the attempts log
REST_LONGEST_S = 60.0  # of a worker that could begin none of the last jobs it claimed
REFUSALS_MAX = 20  # of one job by its size; with the default pauses more than an hour


class Room:
    """Of one worker, whose jobs work in `root`. What is missing is told once, and not at each look."""

    def __init__(self, service: Service, runtime: Runtime, root: Path) -> None:
        self._service = service
        self._runtime = runtime
        self._root = root
        self._roomy = True  # on the disk, at the last look
        self._cramped = False  # too few descriptors for one more job, at the last look
        self._told = False  # of that, once
        self._unbegun = 0  # jobs that were claimed and could not be begun, since the last that could
        self._rests_until = float("-inf")

    def most(self, wanted: int) -> int:
        """How many of so many jobs would find room if they were taken now: their sizes are not known yet.

        0 during a rest: 1. this worker cannot begin what it claims, 2. the job goes back, for later, 3. the
        next one is claimed, and so on: other workers, who could begin them, would find only jobs that wait.
        """
        if self._service.clock.monotonic() < self._rests_until:
            return 0
        found = descriptors.jobs_with_room(self._service, self._runtime)
        if found is not None and found <= 0:
            if not self._cramped:
                self._service.metrics.count("reference_descriptor_waits_total")
                if not self._told:  # with many slots it is so whenever enough of them are taken
                    self._service.log.warning("too few file descriptors, no more jobs are taken at a time")
            self._cramped = self._told = True
            return 0
        self._cramped = False
        if not self._has_disk():
            return 0
        return wanted if found is None else min(wanted, found)

    def note_begun(self, *, begun: bool) -> None:
        """Of a job that was claimed. Not begun: a rest, which doubles with each until one is."""
        if begun:
            self._unbegun = 0
            return
        service = self._service
        self._unbegun += 1
        rest_s = backoff_s(
            service.randomness,
            self._unbegun,
            first_s=service.settings.retry_first_s,
            longest_s=min(REST_LONGEST_S, service.settings.retry_longest_s),
        )
        self._rests_until = service.clock.monotonic() + rest_s

    def refusal(self, job: Job, running: Sequence[Job]) -> Mapping[str, Any] | None:
        """The report of a job that was claimed, and does not fit beside those that run; None: it does, or has
        been refused so often that it is begun all the same.

        1. small jobs come in a steady stream, 2. a large one fits beside none, 3. some are always there.
        """
        service = self._service
        if not service.defended(Defence.DISK_BUDGET) or disk.fits(service.settings, self._root, job, running):
            return None
        if self._refusals(job) >= min(REFUSALS_MAX, service.settings.waits_max):
            return None
        service.metrics.count("reference_disk_waits_total")
        service.log.warning("no room on the disk for this job", job=job.id, size_bytes=job.size_bytes)
        return {
            "outcome": "handed_back",
            "after_s": pause_s(service.settings, service.randomness, job.attempt),
            "waited_for": NO_ROOM,
            "error": f"no room for a job of {job.size_bytes} bytes: {self._root}",
        }

    def _refusals(self, job: Job) -> int:
        try:
            return work.times_waited(self._service.store, job, NO_ROOM)
        except Unavailable:  # the job is ours already, and must be given back or begun
            return 0

    def _has_disk(self) -> bool:
        """`disk_budget` off: nobody looks."""
        service = self._service
        if not service.defended(Defence.DISK_BUDGET):
            return True
        free = disk.free_bytes(service.settings, self._root)
        service.metrics.set("reference_disk_free_bytes", free)
        enough = free >= service.settings.disk_reserve_bytes
        if not enough and self._roomy:
            service.metrics.count("reference_disk_waits_total")
            service.log.warning("no room on the disk, no job is taken", free_bytes=free)
        self._roomy = enough
        return enough
