"""`python -m bench repetitions`: every case again and again, with every defence on; only passes count.

[--base 50] [--rest 5] [--side-by-side 6] [--within-s S] [--only NAME]... [--write]. The base case of each
scenario that is in the default gate runs `--base` times, every other case of every bundled scenario `--rest`
times, on real processes, each round with a seed of its own. With --write, docs/repetitions.json and the page
made of it say what came of them; with --only of these scenarios, beside what was there of the others. Exit 1
when a run did not pass; its folder is kept, and named.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from bench.claims.runs import ROOT
from bench.commit import measured_at
from unstuck import rundir
from unstuck.campaign import ProcessStage, RunRecord, run_one, runners
from unstuck.cli.inputs import bundled, incident_of
from unstuck.clock import monotonic_ns, utc_date
from unstuck.errors import ExitCode, did_you_mean
from unstuck.scenario import Scenario
from unstuck.scenario_file import load
from unstuck.targets.reference.names import catalogue

PAGE: Final = ROOT / "docs/repetitions.md"
KEPT: Final = ROOT / "docs/repetitions.json"
LONG_S: Final = 60.0  # of faults: whoever waits that long needs no processor meanwhile
HEAD: Final = """\
# The same again

A gate that is red once in fifty runs without a cause is a gate that people learn to press again. So with
every defence on, the base case of each scenario of the default gate has to pass 50 times, and every other
case that is shipped 5 times, on real processes, each time with another seed. A run that did not pass counts
here as what it was; none is repeated until it fits. Where a scenario was mended for it, all its runs were
made anew, and the row says what had not passed before. A row's figures are of its commit.

Made by `python -m bench repetitions --write`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the runs of one scenario's cases; `ends` counts exit codes by name."""

    scenario: str
    part: str  # base, rest
    cases: int
    runs: int
    ends: dict[str, int]
    date: str
    version: str  # the commit that ran
    before: str = ""  # what runs did not pass at earlier commits, before the scenario was mended


def main(argv: Sequence[str]) -> int:
    """0 when every run passed."""
    chosen = _parser().parse_args(argv)
    if chosen.page:
        _write(read())
        return 0
    began_ns = monotonic_ns()
    for name in chosen.only or ():
        if name not in bundled():
            print(f"--only {name!r} is no bundled scenario.{did_you_mean(name, bundled())}", file=sys.stderr)
            return ExitCode.USAGE
    base, rest = parts(chosen.only)
    wanted = list(in_turn(base, chosen.base, rest, chosen.rest))
    version = measured_at()  # before: whoever commits meanwhile has not run
    ends = _run(wanted, chosen.side_by_side, began_ns + chosen.within_s * 1e9)
    found = tuple(tallies({"base": base, "rest": rest}, ends, date=f"{utc_date():%Y-%m-%d}", version=version))
    print(*_summary(found), f"- In {(monotonic_ns() - began_ns) / 60e9:.0f} minutes.", sep="\n")
    if not found:
        print("nothing has run: there is nothing to record", file=sys.stderr)
        return ExitCode.INCONCLUSIVE
    if chosen.write:
        _write(joined(read() if chosen.only else (), found))
    return 0 if all(set(one.ends) <= {ExitCode.PASS.name} for one in found) else 1


def in_turn(
    base: Sequence[Scenario], base_times: int, rest: Sequence[Scenario], rest_times: int
) -> Iterator[tuple[Scenario, int]]:
    """(case, seed): each case once, and then all of them again with the next seed."""
    for seed in range(1, max(base_times, rest_times) + 1):
        cases = [*(base if seed <= base_times else ()), *(rest if seed <= rest_times else ())]
        yield from ((case, seed) for case in cases)


def parts(only: Sequence[str] | None) -> tuple[list[Scenario], list[Scenario]]:
    """The base cases of the default gate's scenarios, and every other case of every bundled scenario."""
    base: list[Scenario] = []
    rest: list[Scenario] = []
    names = catalogue()
    for name, path in sorted(bundled().items()):
        if only and name not in only:
            continue
        file = load(path, names)
        first = file.base_case()
        gated = incident_of(path) is None
        base += [first] if gated else []
        rest += [case for case in file.all_cases() if not gated or case.title != first.title]
    return base, rest


def joined(before: Sequence[Tally], found: Sequence[Tally]) -> tuple[Tally, ...]:
    """What was kept of others that are still there, and all of what was found, in the order of the page."""
    there = {
        (case.name, part) for part, cases in zip(("base", "rest"), parts(None), strict=True) for case in cases
    }
    known = {(one.scenario, one.part): one for one in before if (one.scenario, one.part) in there}
    for one in found:
        last = known.get((one.scenario, one.part))
        known[one.scenario, one.part] = one if last is None else replace(one, before=_not_passed(last))
    return tuple(sorted(known.values(), key=lambda one: (one.part, one.scenario)))


def _not_passed(last: Tally) -> str:
    failed = last.runs - last.ends.get(ExitCode.PASS.name, 0)
    told = [last.before] if last.before else []
    return "; ".join([*told, *([f"{failed} of {last.runs} at `{last.version}`"] if failed else [])])


def tallies(
    cases: Mapping[str, Sequence[Scenario]],
    ends: Mapping[str, Mapping[str, int]],
    *,
    date: str,
    version: str,
) -> Iterator[Tally]:
    """One for each part of each scenario that ran."""
    for part, those in cases.items():
        for scenario in sorted({case.name for case in those}):
            titles = [case.title for case in those if case.name == scenario and case.title in ends]
            found: Counter[str] = Counter()
            for title in titles:
                found.update(ends[title])
            if titles:
                yield Tally(
                    scenario=scenario,
                    part=part,
                    cases=len(titles),
                    runs=found.total(),
                    ends=dict(found),
                    date=date,
                    version=version,
                )


def page(found: Sequence[Tally]) -> str:
    """The whole page."""
    if not found:
        return HEAD
    lines = [HEAD, *_summary(found), ""]
    lines += [
        "| scenario | part | cases | runs | passed | else | seen | at | not passed before |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        passed = one.ends.get(ExitCode.PASS.name, 0)
        other = ", ".join(f"{n} {end.lower()}" for end, n in one.ends.items() if end != ExitCode.PASS.name)
        lines.append(
            f"| `{one.scenario}` | {one.part} | {one.cases} | {one.runs} | {passed} | {other or '-'} "
            f"| {one.date} | `{one.version}` | {one.before or '-'} |"
        )
    return "\n".join(lines) + "\n"


def read() -> tuple[Tally, ...]:
    """What was recorded last."""
    if not KEPT.exists():
        return ()
    return tuple(Tally(**one) for one in json.loads(KEPT.read_text(encoding="utf-8")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench repetitions", description=__doc__)
    parser.add_argument("--base", type=int, default=50, help="runs of each base case (50)")
    parser.add_argument("--rest", type=int, default=5, help="runs of each other case (5)")
    parser.add_argument("--side-by-side", type=int, default=6, help="runs at a time")
    parser.add_argument("--within-s", type=float, default=float("inf"), help="no run begins after that")
    parser.add_argument("--only", action="append", metavar="NAME", help="of this scenario only")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="keep the record, and make the page anew")
    how.add_argument("--page", action="store_true", help="run nothing: make the page anew of what is kept")
    return parser


def _run(
    wanted: Sequence[tuple[Scenario, int]], side_by_side: int, until_ns: float
) -> dict[str, Counter[str]]:
    """Title -> how its runs ended. Those that wait for minutes have a thread of their own beside the rest."""
    folder = Path(tempfile.mkdtemp(prefix="unstuck-repetitions-"))
    rundir.prepare(folder)
    ends: dict[str, Counter[str]] = {}
    lock, stop = threading.Lock(), threading.Event()
    with ProcessStage(stop=stop) as stage, runners(side_by_side, stop) as pool, runners(1, stop) as waiting:

        def one(case: Scenario, seed: int) -> None:
            if monotonic_ns() > until_ns:
                return
            record = run_one(case, stage=stage, reports=folder, seed=seed, stop=stop)
            with lock:
                ends.setdefault(case.title, Counter())[record.exit_code.name] += 1
                _tell(record, sum(one.total() for one in ends.values()), len(wanted))

        tasks = [
            (waiting if waits_s(case) >= LONG_S else pool).submit(one, case, seed) for case, seed in wanted
        ]
        for task in tasks:
            task.result()
    if not any(folder.glob("*/")):
        shutil.rmtree(folder)
    return ends


def waits_s(case: Scenario) -> float:
    """How long its faults last, together."""
    return float(sum(getattr(fault.parameters, "for_s", None) or 0.0 for fault in case.faults))


def _tell(record: RunRecord, number: int, of: int) -> None:
    """Of a run that did not pass, and of every fiftieth; the folder of one that passed goes."""
    if record.exit_code is not ExitCode.PASS:
        why = record.error or (record.verdict and "; ".join(record.verdict.reasons)) or "see there"
        print(f"{record.exit_code.name:12} {record.scenario.title}: {why} ({record.folder})", flush=True)
    elif record.folder is not None:
        shutil.rmtree(record.folder)
    if number % 50 == 0:
        print(f"{number} of {of}", flush=True)


def _summary(found: Sequence[Tally]) -> Iterator[str]:
    for part in ("base", "rest"):
        those = [one for one in found if one.part == part]
        runs = sum(one.runs for one in those)
        passed = sum(one.ends.get(ExitCode.PASS.name, 0) for one in those)
        name = "Base cases" if part == "base" else "Every other case"
        cases = sum(one.cases for one in those)
        yield f"- {name}: {cases} in all, {passed} of {runs} runs passed."


def _write(found: Sequence[Tally]) -> None:
    if found:
        KEPT.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")
