"""`python -m bench`: the figures that the project holds itself to; `python -m bench soak`: the long runs;
`python -m bench findings`: the ready-made targets under their scenarios; `python -m bench claims`: what was
claimed of the five systems; `python -m bench proof`: each defence, and the alarm that its loss sets off;
`python -m bench imports`: what each import costs; `python -m bench rework`: what a crash in a stage costs;
`python -m bench campaign`: how many jobs succeed under drawn faults; `python -m bench repetitions`: every
case again and again.

Each line says what was measured, the figure, and the target where there is one. Exit 1 when one is
missed. Times are of this machine and of whatever else it does; ratios to direct travel better.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import findings, imports, proof, repetitions, rework, starts
from bench.campaign import command as campaign
from bench.claims import trying as claims

ROOT = Path(__file__).parents[1]
SOAK_ROUNDS = 50
KILLS = 200
QUICK = ("baseline", "double-complete", "effect-once", "missed-event", "sigterm-mid-job", "worker-killed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number; `most` is the target, None where there is none."""

    name: str
    value: float
    unit: str
    most: float | None = None

    @property
    def met(self) -> bool:
        return self.most is None or self.value <= self.most

    def __str__(self) -> str:
        target = "" if self.most is None else f"  (at most {self.most:g}{'' if self.met else ', MISSED'})"
        return f"{self.name:58} {self.value:9.3f} {self.unit}{target}"


PAGES: Mapping[str, Callable[[Sequence[str]], int]] = {
    "campaign": campaign.main,
    "claims": claims.main,
    "findings": findings.main,
    "imports": imports.main,
    "proof": proof.main,
    "repetitions": repetitions.main,
    "rework": rework.main,
}
"""What makes pages of the documentation, each with flags of its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Prints every figure; 1 when a target is missed or a soak run did not end as expected."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in PAGES:
        return PAGES[words[0]](words[1:])
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["figures", "soak", *PAGES], default="figures")
    parser.add_argument("--rounds", type=int, default=SOAK_ROUNDS, help="of the base cases, in a soak")
    parser.add_argument("--kills", type=int, default=None, help=f"of the harness (20; {KILLS} in a soak)")
    chosen = parser.parse_args(words)
    if chosen.what in PAGES:
        parser.error(
            f"{chosen.what} has flags of its own: name it first. See `python -m bench {chosen.what} --help`."
        )
    if chosen.what == "soak":
        return soak(chosen.rounds, chosen.kills or KILLS)
    figures = list(measure(chosen.kills or 20))
    return 0 if all(figure.met for figure in figures) else 1


def measure(kills: int) -> Iterator[Figure]:
    """Each figure as soon as it is known."""
    for group in (
        help_figures(),
        check_figures(),
        gate_figures(),
        start_figures(),
        link_figures(),
        explore_figures(),
        kill_figures(kills),
    ):
        for figure in group:
            print(figure, flush=True)
            yield figure


def help_figures() -> Iterator[Figure]:
    """CPU time of `unstuck --help`."""
    yield Figure(name="unstuck --help, CPU", value=cpu_s("-m", "unstuck", "--help"), unit="s", most=0.25)


def cpu_s(*words: str) -> float:
    """CPU time of a Python with these words, the least of five."""
    cpu = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run([sys.executable, *words])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(cpu)


def check_figures() -> Iterator[Figure]:
    """Reading and judging 100,000 events."""
    output = run([sys.executable, "bench/checks.py"], fails=True)
    seconds = re.search(r"together ([\d.]+) s", output)
    megabytes = re.search(r"peak ([\d.]+) MB", output)
    if seconds and megabytes:
        yield Figure(name="100,000 events read and judged, CPU", value=float(seconds[1]), unit="s", most=1.5)
        yield Figure(name="… peak memory", value=float(megabytes[1]), unit="MB", most=200)


def gate_figures() -> Iterator[Figure]:
    """One gate of 40 cases, and what the harness itself added to each run."""
    with tempfile.TemporaryDirectory(prefix="unstuck-bench-") as folder:
        started = time.monotonic()
        run([sys.executable, "-m", "unstuck", "gate", "--reports", folder])
        yield Figure(name="unstuck gate, wall", value=time.monotonic() - started, unit="s", most=120)
        yield Figure(name="… cases", value=len(histories_in(folder)), unit="", most=40)
    with tempfile.TemporaryDirectory(prefix="unstuck-bench-") as folder:
        # One at a time: what runs side by side take from each other is not the harness's.
        run([sys.executable, "-m", "unstuck", "run", *QUICK, "--jobs", "1", "--reports", folder])
        histories = histories_in(folder)
    overheads = [overhead_s(events) for events in histories]
    yield Figure(name="… overhead a run, p50", value=statistics.median(overheads), unit="s", most=0.5)


def start_figures(rounds: int = 5) -> Iterator[Figure]:
    """A role alone; all of a run at once; and a worker under the name of one that was killed a moment ago."""
    found: list[tuple[str, starts.How, float]] = []
    with tempfile.TemporaryDirectory(prefix="unstuck-bench-") as folder:
        files = []
        for name, text in starts.scenarios().items():
            files.append(str(Path(folder, name)))
            Path(folder, name).write_text(text)
        for number in range(rounds):
            reports = str(Path(folder, str(number)))
            run([sys.executable, "-m", "unstuck", "run", *files, "--jobs", "1", "--reports", reports])
            found += [one for events in histories_in(reports) for one in starts.starts(events)]
    for role in starts.KILLED:
        alone = [s for one, how, s in found if (one, how) == (role, "alone")]
        if not alone:
            sys.exit(f"{role}: it never started alone; run the scenarios of bench/starts.py by hand")
        name = f"{role}, alone, start to ready, p50"
        yield Figure(name=name, value=statistics.median(alone) * 1000, unit="ms", most=60)
        yield Figure(name="… the slowest", value=max(alone) * 1000, unit="ms")
    preload = cpu_s("-c", "import reference_service.preload")  # imports, and rehearses
    yield Figure(name="the zygote, once a session, CPU", value=preload, unit="s")
    at_once = [s for role, how, s in found if how == "at once" and role != "links"]
    yield Figure(name="all roles at once, p50", value=statistics.median(at_once) * 1000, unit="ms")
    again = [s for _, how, s in found if how == "again"]
    yield Figure(name="worker, again under its name, p50", value=statistics.median(again) * 1000, unit="ms")


def explore_figures() -> Iterator[Figure]:
    """Every crash point of one job, killed and paused, of three job systems as they come."""
    for target in ("celery-redis", "rq", "dramatiq"):
        with tempfile.TemporaryDirectory(prefix="unstuck-bench-") as folder:
            words = ["explore", "--target", target, "--points", "--pause-s", "3", "--reports", folder]
            run([sys.executable, "-m", "unstuck", *words], fails=True)
            [path] = [one for one in Path(folder).glob("*/points.json") if not one.parent.is_symlink()]
            said = json.loads(path.read_text())
        yield Figure(name=f"unstuck explore {target}, wall", value=said["duration_s"], unit="s", most=120)
        yield Figure(
            name="… trials that did not land, and what was not covered",
            value=len(said["uncovered"]),
            unit="",
            most=0,
        )


def histories_in(folder: str) -> list[list[dict[str, Any]]]:
    """Of a group of runs, each once: `latest` is a link to it."""
    return [read(path) for path in Path(folder).glob("*/*/history.jsonl") if not path.parents[1].is_symlink()]


def overhead_s(events: Sequence[dict[str, Any]]) -> float:
    """What a run spent on the harness: before the first role starts, and from the final look on.

    Between the two the service works, and the harness beside it.
    """
    first = min(at_s(event) for event in events if is_process(event, "start") and event["process"] != "links")
    look = min(at_s(event) for event in events if event["kind"] == "evidence")
    return first + (max(map(at_s, events)) - look)


def is_process(event: dict[str, Any], phase: str) -> bool:
    return bool(event["kind"] == "process" and event["phase"] == phase)


def at_s(event: dict[str, Any]) -> float:
    return float(event["t"]) / 1e9


def link_figures() -> Iterator[Figure]:
    """The proxy, against a direct connection in the same run."""
    found = json.loads(run([sys.executable, "bench/links.py"], fails=True))
    yield Figure(name="link: 64-byte echo, added p50", value=found["added_p50_us"], unit="µs", most=80)
    yield Figure(name="… CPU a round trip", value=found["cpu_per_round_trip_us"], unit="µs", most=90)
    for framer, throughput in found["bulk_mib_s"].items():
        yield Figure(name=f"… bulk, {framer}", value=throughput, unit="MiB/s")
    for framer, cost in found["framed_cost"].items():
        yield Figure(name=f"… CPU of bulk, {framer} to raw", value=cost, unit="x", most=1.5)


def kill_figures(kills: int) -> Iterator[Figure]:
    """Harnesses killed with -9 at random moments, and what they left."""
    command = [sys.executable, "-m", "tests.process.kill_harness", "--kills", str(kills), "--seed", "1"]
    output = run(command, fails=True)
    summary = json.loads(output.splitlines()[-1])
    name = f"of {kills} harnesses killed with -9, left something"
    yield Figure(name=name, value=summary["with_residue"], unit="", most=0)
    yield Figure(name="… the slowest to be gone", value=summary["slowest_s"], unit="s")


def soak(rounds: int, kills: int) -> int:
    """Base cases `rounds` times, every other case a tenth as often, the kills, and how well a gate notices a
    doubled recovery: only passes count."""
    worst = repetitions.main(["--base", str(rounds), "--rest", str(max(1, rounds // 10))])
    figures = list(kill_figures(kills))
    print(*figures, sep="\n")
    told = call_bench("bench/compare.py")
    return 0 if worst == told == 0 and all(figure.met for figure in figures) else 1


def call_bench(script: str) -> int:
    """A script of this folder, its output as it comes."""
    paths = os.pathsep.join([str(ROOT / "harness"), str(ROOT)])
    command = [sys.executable, script]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, check=False).returncode


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(command: Sequence[str], *, fails: bool = False) -> str:
    """Standard output; a command that fails ends the bench, unless its own targets may be missed."""
    paths = os.pathsep.join([str(ROOT / "harness"), str(ROOT)])
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not fails:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
