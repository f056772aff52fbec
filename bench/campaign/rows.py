"""What is kept of each run of a campaign: enough to count anew without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job. `excluded`: why its end says nothing of the service, by what its client did; None: it counts.

    `hit`: a blow was dealt to it, to its message or to its holder, or it had to be claimed again.
    `took_s`: from the last of those until it succeeded, without the time in which another fault was in force;
    None: it did not, or was not hit.
    """

    tag: str
    state: str
    reason: str | None
    kind: str
    excluded: str | None
    hit: bool
    claims: int
    took_s: float | None

    @property
    def good(self) -> bool:
        return self.state == "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run. `judged` false: it came to no end of its own, so that its jobs are not counted; `error` may
    say why. `broken`: the properties that failed. `missed`: faults that met nobody."""

    name: str
    judged: bool
    error: str | None
    broken: tuple[str, ...]
    faults: int
    landed: int
    missed: int
    budget_s: float
    took_s: float
    jobs: tuple[JobRow, ...]

    @property
    def valid(self) -> int:
        return sum(job.excluded is None for job in self.jobs) if self.judged else 0


def run_row(said: Mapping[str, Any]) -> RunRow:
    """From a line of the journal. Raises `TypeError` for one that is none."""
    jobs = tuple(JobRow(**one) for one in said["jobs"])
    return RunRow(**{**said, "broken": tuple(said["broken"]), "jobs": jobs})
