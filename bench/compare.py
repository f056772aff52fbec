"""How often noise fails a gate that is held against a baseline, and how often a doubled recovery does.

Run: python bench/compare.py [--rounds N] [--folder DIR]. Real runs: every round is each case once as it is,
and once with its recovery doubled in earnest: leases and sweeps twice as long where a job waits for these, a
restart put off until recovery takes twice as long where it waits for a process. From the rounds that a folder
holds gates are then drawn, thousands: ten rounds as the baseline, others as the gate and as what is measured
again. A round is drawn whole, since what disturbs a machine disturbs all that runs at that time. So both
rates are of this machine, and of bootstrapped gates, not of so many real ones.
"""

# ruff: noqa: T201  its output is what it is for

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any

from unstuck.campaign import ProcessStage, run_one, runners
from unstuck.checks.story import Story, data_of
from unstuck.compare.baseline import Baseline, Machine
from unstuck.compare.recoveries import recoveries
from unstuck.compare.slower import Key
from unstuck.compare.verdict import Comparison, Judgement
from unstuck.history import read_history
from unstuck.rng import split
from unstuck.scenario import Scenario
from unstuck.scenario_file import load
from unstuck.targets.reference.names import catalogue
from unstuck.worlds.port import ProcessEvent, ProcessSpec, World

ROOT = Path(__file__).parents[1]
ROUNDS = 20
JOBS = 2
SAMPLES = 10  # rounds in a baseline
GATES = 5000  # drawn
PUT_OFF_S = 1.6  # with what a restart takes besides, about twice the time that these recoveries take

Round = Mapping[Key, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A case, and what doubles its recovery: settings, or a restart that is put off."""

    scenario: str
    case: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    put_off: bool = False


SUBJECTS = (
    Subject(scenario="worker-paused", settings={"lease_s": 8.0}),
    Subject(scenario="sigterm-mid-job", case={"grace_s": 0}, settings={"lease_s": 4.0, "sweep_every_s": 1.0}),
    Subject(scenario="worker-killed", put_off=True),
    # A lease so long that nobody else takes the job over before the process is back.
    Subject(scenario="effect-once", put_off=True, settings={"lease_s": 12.0, "instance_dead_after_s": 12.0}),
)


class SlowStage(ProcessStage):
    """Real processes, whose restarts are put off in the runs of `late` scenarios."""

    late: frozenset[str] = frozenset()

    def world(self, name: str, on_event: Callable[[ProcessEvent], None], start_ns: int) -> World:
        world = super().world(name, on_event, start_ns)
        if any(scenario in name for scenario in self.late):
            start = world.start

            def late(spec: ProcessSpec) -> None:
                delay_s = spec.restart.delay_s + PUT_OFF_S
                start(replace(spec, restart=replace(spec.restart, delay_s=delay_s)))

            world.start = late  # type: ignore[method-assign]  # a world of one run, and of nobody else
        return world


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when fewer than 1 % of the gates drawn fail by noise, and 99 % of the doubled ones do."""
    parser = argparse.ArgumentParser(prog="python bench/compare.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="to run; 0: only what the folder holds")
    parser.add_argument("--first", type=int, default=1, help="seed of the first round; each has its own")
    parser.add_argument("--folder", type=Path, help="where rounds are kept; default: one that goes again")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="unstuck-bench-") as scratch:
        folder = chosen.folder or Path(scratch)
        collect(folder, range(chosen.first, chosen.first + chosen.rounds))
        return evaluate(read_rounds(folder / "healthy"), read_rounds(folder / "slowed"))


def collect(folder: Path, seeds: range) -> None:
    """Runs each round, healthy and slowed, one after the other."""
    if not seeds:
        return
    stop = threading.Event()
    with SlowStage(stop=stop) as stage:
        for seed in seeds:
            for kind, cases in (("healthy", healthy()), ("slowed", slowed())):
                stage.late = late() if kind == "slowed" else frozenset()
                place = folder / kind / f"round-{seed}"
                place.mkdir(parents=True)

                def run(case: Scenario, place: Path = place, seed: int = seed) -> str:
                    record = run_one(case, stage=stage, reports=place, seed=seed, stop=stop)
                    return record.error or record.exit_code.name.lower()

                with runners(JOBS, stop) as pool:
                    print(f"round {seed}, {kind}: {', '.join(pool.map(run, cases))}", flush=True)


def healthy() -> list[Scenario]:
    return [load(ROOT / f"scenarios/{one.scenario}.yaml", catalogue()).case(one.case) for one in SUBJECTS]


def slowed() -> list[Scenario]:
    return [
        replace(case, settings={**case.settings, **one.settings})
        for case, one in zip(healthy(), SUBJECTS, strict=True)
    ]


def late() -> frozenset[str]:
    return frozenset(one.scenario for one in SUBJECTS if one.put_off)


def read_rounds(folder: Path) -> list[Round]:
    """The recovery times of each round; one in which a run was not judged is left out whole."""
    rounds = [dict(times_of(place)) for place in sorted(folder.glob("round-*"))]
    complete = {key for one in rounds for key in one}
    return [one for one in rounds if {title for title, _ in one} == {title for title, _ in complete}]


def times_of(place: Path) -> Iterator[tuple[Key, float]]:
    for path in sorted(place.glob("*/history.jsonl")):
        story = Story(read_history(path))
        if story.run.played_out:
            title = str(data_of(story.run.start)["title"])
            for name, value_s in recoveries(story).series().items():
                yield (title, name), value_s


def evaluate(healthy: Sequence[Round], slowed: Sequence[Round]) -> int:
    """Prints both rates, and what they rest on."""
    if len(healthy) <= SAMPLES + 1 or not slowed:
        print(f"{len(healthy)} healthy rounds and {len(slowed)} slowed ones: too few, {SAMPLES + 2} and 1.")
        return 2
    print(f"{len(healthy)} healthy rounds, {len(slowed)} slowed ones; {GATES} gates drawn for each line")
    for key in sorted({key for one in healthy for key in one}):
        print(f"  {describe(key, healthy, slowed)}")
    alarms = fmean(bool(judgement.slower) for judgement in drawn(healthy, healthy, None))
    print(f"noise fails a gate: {alarms:.2%} (less than 1 % wanted)")
    rates = []
    for key in sorted(key for key in slowed[0] if key[1] == "claimed"):
        for what, rounds in (
            ("really slowed", slowed),
            ("each time doubled", [doubled(one) for one in healthy]),
        ):
            rate = fmean(
                any(one.key == key for one in judgement.slower)
                for judgement in drawn(healthy, rounds, key[0])
            )
            print(f"{key[0]}, {what}: {rate:.2%} noticed (99 % wanted)")
            rates.append(rate)
    return 0 if alarms < 0.01 and min(rates) >= 0.99 else 1


def describe(key: Key, healthy: Sequence[Round], slowed: Sequence[Round]) -> str:
    before = [one[key] for one in healthy if key in one]
    after = [one[key] for one in slowed if key in one]
    typical = median(before)
    text = f"{key[0]} {key[1]}: {typical:.2f} s ({min(before):.2f} to {max(before):.2f})"
    return f"{text}, slowed x {median(after) / typical:.2f}" if after else text


def doubled(one: Round) -> Round:
    return {key: 2 * value for key, value in one.items()}


def drawn(healthy: Sequence[Round], slowed: Sequence[Round], title: str | None) -> Iterator[Judgement]:
    """Gates whose case `title` comes from `slowed`, all others from healthy rounds."""
    random = split(1, "compare", str(title))
    machine = Machine(processors=1, jobs=JOBS, yardstick_ms=(1.0,))
    for _ in range(GATES):
        order = random.sample(range(len(healthy)), len(healthy))
        chosen, left = order[:SAMPLES], [healthy[index] for index in order[SAMPLES:]]
        samples: dict[Key, tuple[float, ...]] = {}
        for index in chosen:
            for key, value in healthy[index].items():
                samples[key] = (*samples.get(key, ()), value)
        comparison = Comparison(
            Baseline(machine=machine, samples=samples), mixed(random, left, slowed, title), 1.0
        )
        again: dict[Key, list[float]] = {}
        for name, count in comparison.again().items():
            for _ in range(count):
                for key, value in mixed(random, left, slowed, title).items():
                    if key[0] == name:
                        again.setdefault(key, []).append(value)
        yield comparison.judge(again)


def mixed(random: Random, healthy: Sequence[Round], slowed: Sequence[Round], title: str | None) -> Round:
    """One round, whole; of `title` one that was slowed."""
    usual, slow = random.choice(healthy), random.choice(slowed)
    return {
        **{key: value for key, value in usual.items() if key[0] != title},
        **{key: value for key, value in slow.items() if key[0] == title},
    }


if __name__ == "__main__":
    sys.exit(main())
