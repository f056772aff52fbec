"""Which of the listed jobs are stuck, and of the others why not. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from unstuck.stuck.listing import Listed
from unstuck.targets.declared.file import Timings

Why = Literal["young", "being processed", "age unknown", "state unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A job that is stuck: not ended, and without a sign of life for `age_s` (None: nobody says how long).

    `risk`: why a rescue may do harm; None: nothing speaks against it.
    """

    job: Listed
    age_s: float | None
    risk: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`stuck`, oldest first, and every other job that has not ended, with the reason why it is not."""

    stuck: tuple[Found, ...]
    others: tuple[tuple[Listed, Why], ...]

    def count(self, why: Why) -> int:
        return sum(1 for _, reason in self.others if reason == why)


def judge(jobs: Iterable[Listed], *, now_s: float, age_s: float, timings: Timings) -> Judged:
    """`age_s`: below that a job is young. With 0 every job counts that nobody is at work on, also those of
    which nobody says since when.

    A job that is active carries a risk when nobody says whether somebody is at work on it (`busy`): a rescue
    of a live one would do it twice. A declared lease that may still hold is such a sign of life.
    """
    stuck: list[Found] = []
    others: list[tuple[Listed, Why]] = []
    for job in jobs:
        age = None if job.since_s is None else max(0.0, now_s - job.since_s)
        why = _why_not(job, age, age_s, timings)
        if why is not None:
            others.append((job, why))
        else:
            risk = None
            if job.state == "active" and job.busy is None:
                risk = "nobody says whether it is being processed (`busy`)"
            stuck.append(Found(job=job, age_s=age, risk=risk))
    stuck.sort(key=lambda one: (one.age_s is None, -(one.age_s or 0.0), one.job.job))
    return Judged(stuck=tuple(stuck), others=tuple(others))


def _why_not(job: Listed, age: float | None, age_s: float, timings: Timings) -> Why | None:
    if job.unmapped is not None or job.state is None:
        return "state unknown"
    if job.busy:
        return "being processed"
    lease_s = timings.lease_s if job.state == "active" and job.busy is None else None
    if lease_s is not None and age is not None and age < lease_s:
        return "being processed"
    if age is None:
        return None if age_s == 0 else "age unknown"
    return "young" if age < age_s else None
