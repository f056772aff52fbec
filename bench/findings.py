"""`python -m bench findings`: every ready-made target under its scenarios, and what became of the jobs.

Prints a line for each run as it ends. With `--write`, the tables of docs/targets/<name>.md are made anew from
these very runs, between the two comments that mark the place.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
import json
import re
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

from unstuck.targets.declared.reading import load_target
from unstuck.targets.declared.roles import timings_of, variants_of
from unstuck.targets.ready import ready_targets, scenario_files

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs/targets"
DEFAULTS = "defaults"  # what the tables call no configuration
WITHIN_S = 900.0
FOLLOW_S_MAX = 200.0
SHOWN = {"pass": "pass", "fail": "**fail**", "inconclusive": "inconclusive"}
_RESCUED = re.compile(r"(\d+\.\d+) s")
BEGIN, END = "<!-- findings: begin -->", "<!-- findings: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One case of a scenario under one configuration. `jobs` is what its verdict says of each job."""

    target: str
    configuration: str
    title: str
    verdict: str
    jobs: Sequence[Mapping[str, Any]]
    told: str | None = None  # why there is no verdict on the service

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
    """0 when every run came to a verdict."""
    parser = argparse.ArgumentParser(prog="python -m bench findings", description=__doc__)
    parser.add_argument("--target", action="append", choices=sorted(ready_targets()), help="only these")
    parser.add_argument("--scenario", action="append", help="only these")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    parser.add_argument("--write", action="store_true", help="make the tables of docs/targets anew")
    parser.add_argument(
        "--reports",
        type=Path,
        help="keep the runs' folders here; what is there already is read, not run again",
    )
    chosen = parser.parse_args(argv)
    targets = chosen.target or sorted(ready_targets())
    with tempfile.TemporaryDirectory() as folder:
        reports = chosen.reports or Path(folder)
        asked = [
            (target, configuration, path.stem)
            for target in targets
            for path in scenario_files()
            for configuration in _configurations(target)
            if not chosen.scenario or path.stem in chosen.scenario
        ]
        with ThreadPoolExecutor(max_workers=chosen.jobs) as pool:
            found = []
            for some in pool.map(partial(_run, reports), asked):
                found += some
                for one in some:
                    print(one, flush=True)
    if chosen.write:
        for target in targets:
            _write(target, [one for one in found if one.target == target])
    return 0 if all(one.verdict != "error" for one in found) else 1


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
    words += ["--jobs", "2", "--reports", str(folder)]
    if configuration != DEFAULTS:
        words += ["--configuration", configuration]
    follow_s = _follow_s(target, configuration)
    if follow_s > 0:
        words += ["--follow", f"{follow_s:g}"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=WITHIN_S, stdin=subprocess.DEVNULL
    )
    found = list(_read(folder, target, configuration))
    if found:
        return found
    said = (done.stderr or done.stdout).strip().splitlines()
    told = said[-1] if said else f"exit code {done.returncode}"
    if done.returncode == 2 and "lease_s" in told:
        told, verdict = "does not apply: it has no lease", "-"
    else:
        verdict = "error"
    return [
        Finding(
            target=target, configuration=configuration, title=scenario, verdict=verdict, jobs=(), told=told
        )
    ]


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
        )


def _write(target: str, found: Sequence[Finding]) -> None:
    """Replaces the table of a page; what is written by hand around it stays."""
    path = PAGES / f"{target}.md"
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n\n{table(found)}\n\n{END}{after}", encoding="utf-8")


def table(found: Sequence[Finding]) -> str:
    """Scenario by configuration: the verdict, and the class of each job."""
    configurations = list(dict.fromkeys(one.configuration for one in found))
    lines = [
        "| scenario | " + " | ".join(configurations) + " |",
        "|---|" + "---|" * len(configurations),
    ]
    for title in dict.fromkeys(one.title for one in found):
        cells = []
        for configuration in configurations:
            fitting = [one for one in found if (one.title, one.configuration) == (title, configuration)]
            cells.append("<br>".join(_spelled(one) for one in fitting))
        lines.append(f"| `{title}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _spelled(one: Finding) -> str:
    cell = one.cell.replace("|", "\\|")
    if one.told is not None and "had no child" in one.told:
        return "does not apply: a worker has no process of its own for a job"
    return cell if one.verdict == "-" else f"{SHOWN.get(one.verdict, one.verdict)}: {cell}"
