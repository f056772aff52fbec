"""A campaign: drawn scenarios of mixed faults on real processes, until so many jobs have been through them.

`python -m bench campaign [--jobs 1000] [--side-by-side 3] [--seed 1] [--within-s 1200] [--keep]` prints what
became of the jobs, and how long those that a fault hit took to end; with --keep, docs/campaign.json has it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.claims.runs import ROOT
from unstuck.campaign import RunRecord, run_many
from unstuck.checks.port import Verdict
from unstuck.checks.story import JobStory, Story
from unstuck.checks.victims import victims
from unstuck.clock import monotonic_ns, utc_date
from unstuck.generate.strategies import PROCESS, drawn, scenarios
from unstuck.history import read_history
from unstuck.scenario import Scenario
from unstuck.targets.reference import catalogue

KEPT = ROOT / "docs/campaign.json"
BAD = ("lost", "doubled", "stuck", "done_not_terminal", "done_but_failed")
OWN_FAULT = frozenset({"invalid_media", "upload_mismatch", "object_missing", "source_changed"})
BATCH = 20  # drawn at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What a campaign showed. `valid`: jobs whose client did its part, and that nothing poisoned."""

    date: str
    seed: int
    took_s: float
    runs: int
    failed_runs: int
    unproven_runs: int  # a fault met nobody: such a run says nothing, and its jobs are not counted
    faults_landed: int
    jobs: int
    valid: int
    succeeded: int
    manual: int  # that somebody would have to see to
    classes: dict[str, int]
    hit: int
    recovered: int
    recovery_median_s: float
    recovery_p99_s: float
    within_budget: int  # of those that were hit


def main(argv: Sequence[str]) -> int:
    """1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench campaign", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--side-by-side", type=int, default=3, help="runs at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--within-s", type=float, default=1200.0, help="no run begins after that")
    parser.add_argument("--keep", action="store_true", help=f"the figures in {KEPT.relative_to(ROOT)}")
    chosen = parser.parse_args(argv)
    found = campaign(chosen.jobs, chosen.seed, chosen.side_by_side, chosen.within_s)
    print(json.dumps(asdict(found), indent=1))  # noqa: T201  its output
    if chosen.keep:
        KEPT.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    return 1 if found.failed_runs or found.manual else 0


def campaign(jobs: int, seed: int, side_by_side: int, within_s: float) -> Campaign:
    """Runs drawn scenarios until they have `jobs` jobs, or the time is over."""
    began_ns = monotonic_ns()
    cases = list(_until(jobs, seed))
    with tempfile.TemporaryDirectory(prefix="unstuck-campaign-") as folder:
        records = run_many(cases, reports=Path(folder), seed=seed, jobs=side_by_side, time_budget_s=within_s)
        stories = [
            (record, Story(read_history(record.folder / "history.jsonl")))
            for record in records
            if record.verdict is not None and record.folder is not None
        ]
    return _sum_up(stories, seed, (monotonic_ns() - began_ns) / 1e9)


def _until(jobs: int, seed: int) -> Iterator[Scenario]:
    strategy, drawn_jobs, batch = scenarios(catalogue(), PROCESS, deeds_max=2), 0, 0
    while drawn_jobs < jobs:
        for case in drawn(strategy, BATCH, seed=seed * 10_000 + batch):
            if drawn_jobs < jobs:
                drawn_jobs += sum(upload.count for upload in case.workload)
                yield case
        batch += 1


def _sum_up(stories: Sequence[tuple[RunRecord, Story]], seed: int, took_s: float) -> Campaign:
    proved = [(record, story) for record, story in stories if _verdict(record) is not Verdict.INCONCLUSIVE]
    kinds: Counter[str] = Counter()
    valid = succeeded = hit = recovered = in_time = landed = count = 0
    ends_s: list[float] = []
    for record, story in proved:
        landed += sum(len(fault.landed) for fault in story.faults.values())
        assert record.verdict is not None
        kinds.update(str(found.kind) for found in record.verdict.jobs)
        doomed = _doomed(record.scenario)
        for job in story.jobs.values():
            count += 1
            if _is_valid(job, doomed):
                valid += 1
                succeeded += job.state == "succeeded"
        for job, took in _recoveries(story):
            hit += 1
            recovered += job.terminal
            if job.terminal:
                ends_s.append(took)
                in_time += took <= story.run.budget_s
    ranked = sorted(ends_s) or [0.0]
    return Campaign(
        date=f"{utc_date():%Y-%m-%d}",
        seed=seed,
        took_s=round(took_s, 1),
        runs=len(proved),
        failed_runs=sum(_verdict(record) is Verdict.FAIL for record, _ in proved),
        unproven_runs=len(stories) - len(proved),
        faults_landed=landed,
        jobs=count,
        valid=valid,
        succeeded=succeeded,
        manual=sum(kinds[name] for name in BAD),
        classes=dict(kinds),
        hit=hit,
        recovered=recovered,
        recovery_median_s=round(statistics.median(ranked), 3),
        recovery_p99_s=round(ranked[-(-(len(ranked) - 1) * 99 // 100)], 3),
        within_budget=in_time,
    )


def _verdict(record: RunRecord) -> Verdict:
    assert record.verdict is not None
    return record.verdict.verdict


def _doomed(scenario: Scenario) -> frozenset[str]:
    """Tags whose jobs the scenario itself makes fail."""
    outcomes = scenario.expect.get("outcomes", {})
    return frozenset(
        tag
        for tag, demand in outcomes.items()
        if isinstance(demand, dict) and demand.get("state", "succeeded") != "succeeded"
    )


def _is_valid(job: JobStory, doomed: frozenset[str]) -> bool:
    ended_by_client = job.state in {"cancelled", "expired"}
    return not (ended_by_client or job.tag in doomed or job.reason in OWN_FAULT)


def _recoveries(story: Story) -> Iterator[tuple[JobStory, float]]:
    """Each job that a blow hit, with the seconds from the blow's end to its own."""
    for fault in story.faults.values():
        for stroke in fault.strokes:
            for victim in victims(story, stroke):
                end_s = victim.job.terminal_at_s
                yield victim.job, 0.0 if end_s is None else max(0.0, end_s - stroke.over_s)
