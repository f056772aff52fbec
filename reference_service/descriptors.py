"""File descriptors: how many this process may still open, and what to do when there are none left.

Too few of them is nobody's fault who meets it, like a full disk, and it passes when other jobs end. A job's
child begins with a copy of all that its worker has open, so the worker can tell beforehand whether one more
will find room. Whoever runs out all the same goes back uncharged.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import Any

from reference_service.domain import Defence, Job, Reason
from reference_service.open_files import OUT, in_use
from reference_service.ports import ChildEnd, Runtime
from reference_service.retry import has_waited_enough, pause_s
from reference_service.service import Service

CRAMPED = 8  # with fewer left no connection can be relied on: one takes a socket, a poll and a look at DNS


class OutOfDescriptorsError(OSError):
    """A dependency is not away: this process cannot open a connection to it."""


def jobs_with_room(service: Service, runtime: Runtime) -> int | None:
    """How many more jobs will find room; None: no limit. `descriptor_budget` off: nobody looks.

    Each costs the worker one, the end of a pipe, and its child `descriptors_reserve` beyond those.
    """
    found = runtime.descriptors() if service.defended(Defence.DESCRIPTOR_BUDGET) else None
    if found is None:
        return None
    used, most = found
    return max(0, most - used - service.settings.descriptors_reserve)


def check() -> None:
    """Raises `OutOfDescriptorsError` where the next try would fail for want of them."""
    found = in_use()
    if found is not None and found[1] - found[0] < CRAMPED:
        raise OutOfDescriptorsError(errno.EMFILE, f"{found[0]} of {found[1]} descriptors are open")


def patiently(service: Service, job: Job, attempt: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """The attempt's own report, or the one of an attempt that ran out of descriptors.

    `descriptor_patience` off lets the error pass: the child dies of it.
    """
    try:
        return attempt()
    except OSError as error:
        if error.errno not in OUT or not service.defended(Defence.DESCRIPTOR_PATIENCE):
            raise
        service.metrics.count("reference_descriptor_waits_total")
        return report(service, job, error)


def report(service: Service, job: Job, error: OSError) -> Mapping[str, Any]:
    """Handed back, uncharged, for a time that doubles: else they would all be back at once, with as little
    room as before. Who has waited as often as he may is charged.
    """
    if has_waited_enough(service.settings, job):
        return {"outcome": "failed", "reason": Reason.CRASHED.value, "error": str(error)}
    after_s = pause_s(service.settings, service.randomness, job.attempt)
    return {"outcome": "handed_back", "after_s": after_s, "error": str(error)}


class Stillborn:
    """A child that could not be started: there was no pipe to hear of it, or no room for its files."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self.end: ChildEnd | None = ChildEnd(
            exit_code=None, signal=None, result=result, peak_rss_bytes=None, oom_kills=None
        )

    def rss_bytes(self) -> int | None:
        return None

    def ask_to_stop(self) -> None:
        """It has ended."""

    def kill(self) -> None:
        """It has ended."""
