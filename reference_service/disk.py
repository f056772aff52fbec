"""Room on the disk where jobs work: how much there is, and what to do when there is none.

A full disk is mostly nobody's fault who works there, and it passes. So a job that met one goes back
uncharged, and none is taken before there is room again. Only a job that filled the disk by itself is charged:
it would do so everywhere, for ever.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from reference_service.domain import Defence, Job, Reason
from reference_service.retry import has_waited_enough, pause_s
from reference_service.service import Service
from reference_service.settings import Settings

SOURCE = "source"
LAST_READ_BY: Mapping[str, tuple[str, ...]] = {"thumbnails": ("frames",), "stitch": (SOURCE,)}
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def used_bytes(folder: Path) -> int:
    """What lies in it, in whole blocks; files that go meanwhile do not count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_blocks * 512
            except OSError:
                continue
    return total


def root_of(settings: Settings) -> Path:
    """Where the jobs of this instance work."""
    return Path(settings.work_folder or gettempdir()) / f"reference-{settings.instance}"


def _there(folder: Path) -> Path:
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def free_bytes(settings: Settings, folder: Path) -> int:
    """How much more can be written in the work folder: of its disk, or of the budget if that is less.

    The folder itself is there when a job is; its disk is known before.
    """
    free = shutil.disk_usage(_there(folder)).free
    if settings.disk_budget_bytes is None:
        return free
    return max(0, min(free, settings.disk_budget_bytes - used_bytes(folder)))


def fits(settings: Settings, root: Path, job: Job, running: Sequence[Job]) -> bool:
    """Whether there is room in `root` for all that the job will need, and those that run there.

    True, too, when none runs: what lies on the disk then is others', and may never go, and
    `disk_per_source_byte` is an estimate. Such a job is charged if it fills the disk.
    """
    if not running:
        return True
    needed = settings.disk_reserve_bytes + _needed_bytes(settings, [job, *running])
    free = free_bytes(settings, root)
    return free >= needed or free + used_bytes(root) >= needed  # what they have written is of what they need


def _needed_bytes(settings: Settings, jobs: Iterable[Job]) -> int:
    return int(settings.disk_per_source_byte * sum(job.size_bytes or 0 for job in jobs))


def patiently(
    service: Service, job: Job, folder: Path, attempt: Callable[[], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The attempt's own report, or the one of an attempt that met a full disk."""
    try:
        return attempt()
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        service.metrics.count("reference_disk_waits_total")
        return report(service, job, error, folder)


def make_room(service: Service, folder: Path, *, after: str) -> None:
    """Removes at once what no later stage reads: at any time the disk holds little of a job."""
    if service.defended(Defence.EAGER_CLEANUP):
        for name in LAST_READ_BY.get(after, ()):
            if name == SOURCE:
                (folder / SOURCE).unlink(missing_ok=True)
            else:
                shutil.rmtree(folder / name, ignore_errors=True)


def leave_only(folder: Path, names: Collection[str]) -> None:
    """Removes what only a later attempt at the folder's stage would have needed."""
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


def leave(service: Service, folder: Path) -> None:
    """Removes all of an attempt; `eager_cleanup` off: the worker does, when it starts the next time."""
    if service.defended(Defence.EAGER_CLEANUP):
        shutil.rmtree(folder, ignore_errors=True)


def report(service: Service, job: Job, error: OSError, folder: Path) -> Mapping[str, Any]:
    """Of an attempt that met a full disk: handed back, uncharged, unless the job filled it by itself, or has
    waited as often as it may.

    For a time that doubles: 1. the disk is full but for the reserve, 2. a job is taken, and meets its end,
    3. what it had written goes, 4. there is room for it again, and so on, as often as the queue can deliver.
    """
    try:
        own = used_bytes(folder) * 2 > shutil.disk_usage(folder.parent).total
    except OSError:
        own = False
    text = f"{error.strerror}: {error.filename or folder}"
    if service.defended(Defence.DISK_PATIENCE) and not own and not has_waited_enough(service.settings, job):
        after_s = pause_s(service.settings, service.randomness, job.attempt)
        return {"outcome": "handed_back", "after_s": after_s, "error": text}
    return {"outcome": "failed", "reason": Reason.DISK_EXCEEDED.value, "error": text}
