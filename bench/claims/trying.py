"""`python -m bench claims`: tries each claim, and prints what was found.

With `--write`, what was found is kept in docs/claims.json, and docs/claims.md is made of it; of what was not
tried this time, the last finding stays. With `--stale`, nothing is tried: it lists the figures whose
scenarios or defences have changed since the commit that they were seen at. Exit 1 when a claim could not
be tried, or is stale.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.claims import all_claims
from bench.claims.page import Kept, read, write
from bench.claims.runs import NothingJudgedError
from bench.commit import measured_at, stale
from bench.guarded import files_of
from unstuck.clock import utc_date

if TYPE_CHECKING:
    from bench.claims.claim import Claim


def main(argv: Sequence[str], claims: Sequence[Claim] | None = None) -> int:
    """0 when every claim that was asked for was tried."""
    claims = all_claims() if claims is None else claims
    chosen = _parser(claims).parse_args(argv)
    asked = [claim for claim in claims if not chosen.only or claim.id in chosen.only]
    kept, untried = read(), 0
    if chosen.page:
        write(kept, claims)
        return 0
    if chosen.stale:
        return _tell_stale(asked, kept)
    for claim in asked:
        try:
            found = claim.measure()
        except NothingJudgedError as error:
            untried += 1
            print(f"{claim.id:28} could not be tried: {error}", flush=True)
            continue
        found = replace(found, commit=found.commit or measured_at())
        kept[claim.id] = Kept(finding=found, date=utc_date().date().isoformat())
        print(f"{claim.id:28} {found.verdict:18} {found.figure}", flush=True)
        if chosen.write:  # at once: what comes after it may be interrupted
            write(kept, claims)
    return 1 if untried else 0


def _tell_stale(claims: Sequence[Claim], kept: Mapping[str, Kept]) -> int:
    """1 when a figure may not be true any more."""
    worst = 0
    for claim in claims:
        files = [*files_of(claim.look), *claim.watches]
        why = stale(kept[claim.id].finding.commit, files) if claim.id in kept else "not measured yet"
        if why is not None:
            print(f"{claim.id:28} {why}")
            worst = 1
    return worst


def _parser(claims: Sequence[Claim]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench claims", description=__doc__)
    parser.add_argument("--only", action="append", choices=[claim.id for claim in claims], help="only these")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="keep what was found, and make the page anew")
    how.add_argument("--page", action="store_true", help="try nothing: make the page anew of what is kept")
    how.add_argument("--stale", action="store_true", help="list the figures whose files have changed since")
    return parser
