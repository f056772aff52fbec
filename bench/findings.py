"""`python -m bench findings`: every ready-made target under its scenarios, and what became of the jobs.

Prints a line for each run as it ends. With `--explore --write`, what these very runs showed is kept in
docs/findings/seen.json, unless one of them came to no verdict, and from that are made docs/findings.md, the
tables of docs/targets/<name>.md, and that of docs/explore.md; explanations that no run bears out, and broken
promises without one, are reported.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import exploring, findings_page, seen
from bench.explanations import explanations
from bench.seen import DEFAULTS, Case, Explored, Seen
from bench.versions import versions_of
from unstuck.clock import utc_date
from unstuck.targets.declared.reading import load_target
from unstuck.targets.declared.roles import timings_of, variants_of
from unstuck.targets.ready import ready_targets, scenario_files

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs/targets"
WITHIN_S = 900.0
FOLLOW_S_MAX = 200.0
CAME_TO_VERDICTS = (0, 1, 3)  # pass, fail, inconclusive; after any other a case may lack
NOT_APPLICABLE = "does not apply"
SHOWN = {"pass": "pass", "fail": "**fail**", "inconclusive": "inconclusive"}
_RESCUED = re.compile(r"(\d+\.\d+) s")
BEGIN, END = "<!-- findings: begin -->", "<!-- findings: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One case of a scenario under one configuration. `jobs` is what its verdict says of each job,
    `properties` which promises it broke."""

    target: str
    configuration: str
    title: str
    verdict: str
    jobs: Sequence[Mapping[str, Any]]
    told: str | None = None  # why there is no verdict on the service
    properties: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.target:18} {self.configuration:12} {self.title:26} {self.verdict:12} {self.cell}"

    @property
    def cell(self) -> str:
        """What became of the jobs, by tag and class, in the words of the reports."""
        if self.told is not None:
            return self.told
        tags = list(dict.fromkeys(str(job["tag"]) for job in self.jobs))
        parts = []
        for tag in tags:
            classes = Counter(_class(job) for job in self.jobs if str(job["tag"]) == tag)
            told = ", ".join(f"{count} {name}" for name, count in classes.items())
            parts.append(told if len(tags) == 1 else f"{tag}: {told}")
        return "; ".join(parts)

    @property
    def broken(self) -> tuple[str, ...]:
        """The classes that the promise forbids, else the properties; nothing unless the run failed."""
        if self.verdict != "fail":
            return ()
        classes = dict.fromkeys(str(job["outcome"]) for job in self.jobs if not job.get("allowed", True))
        return tuple(classes) or tuple(self.properties)

    @property
    def case(self) -> Case:
        """What is kept of it."""
        return Case(
            configuration=self.configuration,
            title=self.title,
            verdict=self.verdict,
            cell=_spelled(self),
            broken=self.broken,
        )


def _class(job: Mapping[str, Any]) -> str:
    """`stuck after 3 starts (expected after 8 s)`, `stuck (rescued after 98 s)`."""
    name, starts = str(job["outcome"]).replace("_", " "), int(job["attempts"] or 0)
    if name in ("ok", "restarted") and job["state"] != "succeeded":
        name = str(job["state"])
    text = name if starts == 1 or name == "ok" else f"{name} after {starts} starts"
    if starts == 0:
        text = f"{name}, never started"
    rescued = _RESCUED.sub(lambda match: f"{float(match[1]):.0f} s", str(job["rescued"] or ""))
    return f"{text} ({rescued})" if rescued and job["outcome"] == "stuck" else text


def main(argv: Sequence[str]) -> int:
    """0 when every run came to a verdict; nothing is written unless all did."""
    parser = _parser()
    chosen = parser.parse_args(argv)
    if chosen.write and chosen.scenario:
        parser.error("--write with --scenario would drop the cases of all others; leave one of them out")
    if chosen.write and not chosen.explore:
        parser.error("--write without --explore would give old trials today's date; add --explore")
    targets = chosen.target or sorted(ready_targets())
    with tempfile.TemporaryDirectory() as folder:
        reports = chosen.reports or Path(folder)
        found = _cases(reports, targets, chosen.scenario, chosen.jobs)
        explored = _explorations(reports, targets) if chosen.explore else {}
    errors = sum(one.verdict == "error" for one in found)
    if chosen.write and errors:
        print(f"not written: {errors} came to no verdict")
    elif chosen.write:
        _write(targets, found, explored)
    return 1 if errors else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench findings", description=__doc__)
    parser.add_argument("--target", action="append", choices=sorted(ready_targets()), help="only these")
    parser.add_argument("--scenario", action="append", help="only these")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    parser.add_argument("--explore", action="store_true", help="explore each configuration as well")
    parser.add_argument(
        "--write", action="store_true", help="with --explore: make docs/findings.md and the tables anew"
    )
    parser.add_argument(
        "--reports",
        type=Path,
        help="keep the runs' folders here; what is there already is read, not run again",
    )
    return parser


def _cases(
    reports: Path, targets: Sequence[str], scenarios: Sequence[str] | None, jobs: int
) -> list[Finding]:
    asked = [
        (target, configuration, path.stem)
        for target in targets
        for path in scenario_files()
        for configuration in _configurations(target)
        if not scenarios or path.stem in scenarios
    ]
    found = []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for some in pool.map(partial(_run, reports), asked):
            found += some
            for one in some:
                print(one, flush=True)
    return found


def _explorations(reports: Path, targets: Sequence[str]) -> dict[str, list[Explored]]:
    """One after the other: each keeps the machine busy by itself."""
    found: dict[str, list[Explored]] = {}
    for target in targets:
        for configuration in _configurations(target):
            one = exploring.explore(reports, target, configuration)
            found.setdefault(target, []).append(one)
            print(
                f"{target:18} {configuration:12} {one.landed} of {one.trials} trials: {one.classes}",
                flush=True,
            )
    return found


def _configurations(target: str) -> list[str]:
    return [DEFAULTS, *load_target(ready_targets()[target]).configurations]


def _follow_s(target: str, configuration: str) -> float:
    """How long to look on: until the target has helped itself, where that is not too long to wait for."""
    file = load_target(ready_targets()[target])
    chosen = None if configuration == DEFAULTS else configuration
    period_s = timings_of(file, variants_of(file, chosen, ())).recovery_period_s or 0.0
    return 0.0 if period_s > FOLLOW_S_MAX else period_s


def _run(reports: Path, asked: tuple[str, str, str]) -> list[Finding]:
    """All cases of one scenario, in their order."""
    target, configuration, scenario = asked
    folder = reports / f"{target}-{configuration}-{scenario}"
    found = list(_read(folder, target, configuration))
    if found:
        return found
    words = [sys.executable, "-m", "unstuck", "run", scenario, "--target", target, "--all-cases"]
    running = folder.with_name(f"{folder.name}.running")  # so that what is kept is whole
    shutil.rmtree(running, ignore_errors=True)
    words += ["--jobs", "2", "--reports", str(running)]
    if configuration != DEFAULTS:
        words += ["--configuration", configuration]
    follow_s = _follow_s(target, configuration)
    if follow_s > 0:
        words += ["--follow", f"{follow_s:g}"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=WITHIN_S, stdin=subprocess.DEVNULL
    )
    found = list(_read(running, target, configuration))
    if found and done.returncode in CAME_TO_VERDICTS:
        running.rename(folder)
        return found
    said = (done.stderr or done.stdout).strip().splitlines()
    told = said[-1] if said else f"exit code {done.returncode}"
    if done.returncode == 2 and "lease_s" in told:
        told, verdict = f"{NOT_APPLICABLE}: it has no lease", "-"
    else:
        verdict = "error"
    lost = Finding(
        target=target, configuration=configuration, title=scenario, verdict=verdict, jobs=(), told=told
    )
    return [*found, lost]


def _read(folder: Path, target: str, configuration: str) -> Iterator[Finding]:
    for path in sorted({path.resolve() for path in folder.rglob("verdict.json")}):
        said = json.loads(path.read_text(encoding="utf-8"))
        summary = said.get("summary")
        if summary is None:
            continue
        verdict = str(said["verdict"])
        yield Finding(
            target=target,
            configuration=configuration,
            title=str(said["title"]),
            verdict=verdict,
            jobs=summary["jobs"],
            told="; ".join(summary["reasons"]) if verdict == "inconclusive" else None,
            properties=[one["name"] for one in summary["properties"] if one["verdict"] == "fail"],
        )


def _write(
    targets: Sequence[str], found: Sequence[Finding], explored: Mapping[str, Sequence[Explored]]
) -> None:
    """Keeps what was seen, and makes the pages; of what was not run this time, the last state stays."""
    known = seen.read()
    for target in targets:
        before = known.get(target)
        cases = tuple(one.case for one in found if one.target == target)
        known[target] = Seen(
            target=target,
            date=utc_date().date().isoformat(),
            versions=versions_of(load_target(ready_targets()[target])),
            cases=cases or (before.cases if before else ()),
            explored=tuple(explored.get(target, before.explored if before else ())),
        )
    seen.write(known)
    told = explanations()
    for path, text in pages(known).items():
        path.write_text(text, encoding="utf-8")
    joined = findings_page.joined(known, told)
    for one in joined.unshown:
        print(f"not shown, left out: {one.target}: {one.title}")
    for broken in joined.unexplained:
        print(f"not yet explained: {broken}")


def pages(known: Mapping[str, Seen]) -> dict[Path, str]:
    """Every page that is made of what was seen, with its text; what is written by hand around it stays."""
    made = {findings_page.PAGE: findings_page.page(known, explanations())}
    for target, one in known.items():
        path = PAGES / f"{target}.md"
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        made[path] = f"{before}{BEGIN}\n\n{table(one.cases)}\n\n{END}{after}"
    text = exploring.PAGE.read_text(encoding="utf-8")
    made[exploring.PAGE] = exploring.renewed(text, known.values())
    return made


def table(cases: Sequence[Case]) -> str:
    """Scenario by configuration: the verdict, and the class of each job."""
    configurations = list(dict.fromkeys(one.configuration for one in cases))
    lines = [
        "| scenario | " + " | ".join(configurations) + " |",
        "|---|" + "---|" * len(configurations),
    ]
    for title in dict.fromkeys(one.title for one in cases):
        cells = []
        for configuration in configurations:
            fitting = [one for one in cases if (one.title, one.configuration) == (title, configuration)]
            cells.append("<br>".join(_shown(one) for one in fitting))
        lines.append(f"| `{title}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(one: Case) -> str:
    cell = one.cell.replace("|", "\\|")
    return cell if one.cell.startswith(NOT_APPLICABLE) else f"{SHOWN.get(one.verdict, one.verdict)}: {cell}"


def _spelled(one: Finding) -> str:
    if one.told is not None and "had no child" in one.told:
        return f"{NOT_APPLICABLE}: a worker has no process of its own for a job"
    properties = [f"`{name}`" for name in one.broken if name in one.properties]
    return f"{one.cell}; broken: {', '.join(properties)}" if properties else one.cell
