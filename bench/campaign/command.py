"""`python -m bench campaign`: drawn scenarios of mixed faults, until so many valid jobs went through them.

Prints what became of the jobs, and how long those that a fault hit took to recover. Each run is in the
journal as soon as it has ended: the same command goes on where it was interrupted, and with more --jobs
from there. With --keep, docs has the figures and the page of them.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from bench.campaign.drawing import factor
from bench.campaign.journal import Journal
from bench.campaign.kept import WATCHES, read, write
from bench.campaign.page import PAGE, page
from bench.campaign.running import run_campaign
from bench.campaign.totals import PLANNED, as_json, sum_up
from bench.claims.runs import ROOT
from bench.commit import measured_at, stale
from unstuck.clock import utc_date
from unstuck.errors import UsageError


def main(argv: Sequence[str]) -> int:
    """1 when a promise was broken, 2 for a journal of another campaign."""
    chosen = _parser().parse_args(argv)
    if chosen.page:
        _make_page()
        return 0
    if chosen.stale:
        return _tell_stale()
    simulated = chosen.world == "sim"
    journal_file = chosen.journal or ROOT / f"reports/campaign-{chosen.world}-{chosen.seed}.jsonl"
    commit = measured_at()
    try:
        journal = Journal(journal_file, seed=chosen.seed, world=chosen.world, commit=commit)
        run_campaign(
            journal,
            valid=chosen.jobs,
            seed=chosen.seed,
            side_by_side=chosen.side_by_side,
            within_s=chosen.within_s,
            simulated=simulated,
            reports=journal_file.with_suffix(""),
        )
    except UsageError as error:
        print(f"python -m bench campaign: {error}")
        return int(error.exit_code)
    found = sum_up(
        journal.rows,
        date=f"{utc_date():%Y-%m-%d}",
        commit=commit,
        world=chosen.world,
        seed=chosen.seed,
        factor=1.0 if simulated else factor(),
    )
    print(json.dumps(as_json(found), indent=1))
    if chosen.keep:
        write(found)
        _make_page()
    return 1 if found.failed_runs or found.bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench campaign", description=__doc__)
    parser.add_argument("--jobs", type=int, default=PLANNED, help=f"valid ones ({PLANNED})")
    parser.add_argument("--side-by-side", type=int, default=4, help="runs at a time (4)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--within-s", type=float, default=4 * 3600.0, help="no run begins after that (4 h)")
    parser.add_argument("--world", choices=["processes", "sim"], default="processes")
    parser.add_argument("--journal", type=Path, help="(reports/campaign-WORLD-SEED.jsonl)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--keep", action="store_true", help="the figures in docs, and the page of them")
    how.add_argument("--page", action="store_true", help="run nothing: the page anew of what is kept")
    how.add_argument("--stale", action="store_true", help="say whether the service has changed since")
    return parser


def _make_page() -> None:
    PAGE.write_text(page(read("processes"), read("sim")), encoding="utf-8")


def _tell_stale() -> int:
    worst = 0
    for found in (read("processes"), read("sim")):
        why = None if found is None else stale(found.commit, WATCHES)
        if found is not None and why is not None:
            print(f"{found.world:10} {why}")
            worst = 1
    return worst
