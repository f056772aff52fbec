"""The figures of a campaign, counted of its rows."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from bench.campaign.rows import JobRow, RunRow

BAD: Final = frozenset({"lost", "doubled", "stuck", "done_not_terminal", "done_but_failed"})
"""Classes that break a promise."""

PLANNED: Final = 3000
"""Valid jobs of a whole campaign: as many as support 99.9 % when none fails, rounded up."""

PERCENTILES_FROM: Final = 20
"""Of fewer times no percentile is told: they say nothing of what one in a hundred takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What a campaign showed. Jobs are those of runs that were judged; each counts once.

    `valid`: its client did its part, and the scenario did not poison it. `failures`: how those that did not
    succeed ended, by the service's own word. `manual`: jobs that somebody has to see to, which are those of a
    broken promise and the valid ones that did not succeed. `hit`: valid ones that a fault hit, or that had
    to be claimed again; `recovered`: those of them that succeeded.
    """

    date: str
    commit: str
    world: str  # processes, or sim
    seed: int
    factor: float  # by which its periods are shorter than those of production
    run_s: float  # all runs together
    runs: int  # that were judged
    failed_runs: int  # in which a promise was broken
    broken: Mapping[str, int]  # property -> runs in which it failed
    unjudged_runs: int  # that came to no end of their own
    missed_runs: int  # in which a fault met nobody: counted, as one fault less
    faults_landed: int
    jobs: int
    excluded: Mapping[str, int]  # why -> jobs
    valid: int
    valid_without_fault: int  # in runs where no fault was drawn
    succeeded: int
    failures: Mapping[str, int]
    classes: Mapping[str, int]
    bad: int  # jobs of a broken promise
    manual: int
    hit: int
    recovered: int
    recovery_median_s: float  # of those that recovered, in seconds of the run
    recovery_p99_s: float
    recovery_max_s: float

    @property
    def percentiles(self) -> bool:
        """Whether enough jobs recovered for the median and p99 of their times to say something."""
        return self.recovered >= PERCENTILES_FROM


def read_campaign(said: Mapping[str, Any]) -> Campaign:
    """From docs/campaign.json. Raises `KeyError` for one of another version."""
    return Campaign(**{one.name: said[one.name] for one in fields(Campaign)})


def as_json(found: Campaign) -> dict[str, Any]:
    return asdict(found)


def sum_up(
    rows: Sequence[RunRow], *, date: str, commit: str, world: str, seed: int, factor: float
) -> Campaign:
    """Counts. Whatever its verdict, a run that came to its end counts: to leave out those in which a fault
    came too late would leave out the jobs that an earlier one had already ended."""
    judged = [row for row in rows if row.judged]
    jobs = [job for row in judged for job in row.jobs]
    valid = [job for job in jobs if job.excluded is None]
    hit = [job for job in valid if job.hit]
    took_s = sorted(job.took_s for job in hit if job.good and job.took_s is not None)
    return Campaign(
        date=date,
        commit=commit,
        world=world,
        seed=seed,
        factor=factor,
        run_s=round(sum(row.took_s for row in rows), 1),
        runs=len(judged),
        failed_runs=sum(bool(row.broken) for row in judged),
        broken=_counted(name for row in judged for name in row.broken),
        unjudged_runs=len(rows) - len(judged),
        missed_runs=sum(bool(row.missed) for row in judged),
        faults_landed=sum(row.landed for row in judged),
        jobs=len(jobs),
        excluded=_counted(job.excluded for job in jobs if job.excluded is not None),
        valid=len(valid),
        valid_without_fault=sum(row.valid for row in judged if not row.faults),
        succeeded=sum(job.good for job in valid),
        failures=_counted(_end(job) for job in valid if not job.good),
        classes=_counted(job.kind for job in jobs),
        bad=sum(job.kind in BAD for job in jobs),
        manual=sum(job.kind in BAD or (job.excluded is None and not job.good) for job in jobs),
        hit=len(hit),
        recovered=sum(job.good for job in hit),
        recovery_median_s=round(statistics.median(took_s), 3) if took_s else 0.0,
        recovery_p99_s=round(took_s[-(-(len(took_s) - 1) * 99 // 100)], 3) if took_s else 0.0,
        recovery_max_s=round(took_s[-1], 3) if took_s else 0.0,
    )


def _end(job: JobRow) -> str:
    return job.state if job.reason is None else f"{job.state}: {job.reason}"


def _counted(words: Any) -> dict[str, int]:
    return dict(sorted(Counter(words).items(), key=lambda one: (-one[1], one[0])))
