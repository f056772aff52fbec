"""The baseline file: recovery times of earlier gates, small and sorted, to be committed and reviewed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from unstuck.clock import cpu_ns
from unstuck.compare.slower import Key
from unstuck.errors import UsageError
from unstuck.rundir import disk, write

FORMAT: Final = 1
SAMPLES_MAX: Final = 20  # of each time; the oldest go
LARGEST: Final = sys.float_info.max  # JSON has whole numbers that no float can hold
SERIES: Final = ("claimed", "ended")
_ADVICE: Final = "Write one with `unstuck gate --write-baseline FILE`."
_LOOP: Final = 200_000
_ROUNDS: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where recovery times were taken: what decides how fast anything is, apart from the service."""

    processors: int
    jobs: int  # runs side by side
    yardstick_ms: tuple[float, ...]  # what a fixed piece of work took; one a gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One sample a gate: per case and kind of time, the median of the run in seconds."""

    machine: Machine
    samples: Mapping[Key, tuple[float, ...]] = field(default_factory=dict)

    @property
    def cases(self) -> frozenset[str]:
        return frozenset(title for title, _ in self.samples)


def measure_machine(jobs: int) -> Machine:
    """Takes the yardstick: the least CPU time of some rounds of a fixed loop, about 0.2 s in all.

    It tells a slow machine from a fast one; how busy the machine is belongs to the noise.
    """
    rounds = []
    for _ in range(_ROUNDS):
        begun_ns = cpu_ns()
        total = 0
        for number in range(_LOOP):
            total ^= number * number
        rounds.append((cpu_ns() - begun_ns) / 1e6)
    return Machine(processors=os.cpu_count() or 1, jobs=jobs, yardstick_ms=(round(min(rounds), 2),))


def slowness(baseline: Machine, now: Machine) -> float:
    """How many times slower this machine is than the baseline's; below 1: faster."""
    return median(now.yardstick_ms) / median(baseline.yardstick_ms)


def merge(old: Baseline | None, now: Machine, measured: Mapping[Key, float]) -> Baseline:
    """One gate's sample added to each time; what was not measured stays as it is."""
    samples = dict(old.samples) if old else {}
    for key, value in measured.items():
        samples[key] = (*samples.get(key, ()), round(value, 3))[-SAMPLES_MAX:]
    before = old.machine.yardstick_ms if old else ()
    yardsticks = (*before, *now.yardstick_ms)[-SAMPLES_MAX:]
    machine = Machine(processors=now.processors, jobs=now.jobs, yardstick_ms=yardsticks)
    return Baseline(machine=machine, samples=samples)


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Writes it whole or not at all: cases by name, a line each time. Raises `UsageError`."""
    lines = [
        "{",
        f' "format": {FORMAT},',
        ' "what": "recovery times in seconds, one a gate; unstuck gate --write-baseline adds to them",',
        f' "machine": {json.dumps(_machine_data(baseline.machine))},',
        ' "cases": {',
    ]
    cases = []
    for title in sorted(baseline.cases):
        times = [
            f'   "{name}_s": {json.dumps(list(baseline.samples[title, name]))}'
            for name in SERIES
            if (title, name) in baseline.samples
        ]
        inside = ",\n".join(times)
        cases.append(f"  {json.dumps(title, ensure_ascii=False)}: {{\n{inside}\n  }}")
    lines += [",\n".join(cases), " }", "}"] if cases else [" }", "}"]
    write(path, "\n".join(lines) + "\n")


def read_baseline(path: Path) -> Baseline:
    """Reads one back, checked whole. Raises `UsageError` with the file and what is wrong."""
    with disk(path, doing="read", advice=_ADVICE):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is not JSON ({error}). {_ADVICE}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise UsageError(f"{path}: format={found!r} is unknown; this Unstuck reads {FORMAT}. {_ADVICE}")
    machine = _table(path, data, "machine")
    samples: dict[Key, tuple[float, ...]] = {}
    for title, times in _table(path, data, "cases").items():
        for name, values in _table(path, {title: times}, title).items():
            if name.removesuffix("_s") not in SERIES or not name.endswith("_s"):
                raise UsageError(f"{path}: {title}: has no {name!r}. Known: claimed_s, ended_s.")
            samples[title, name.removesuffix("_s")] = _seconds(path, f"{title}: {name}", values)
    return Baseline(
        machine=Machine(
            processors=_count(path, machine, "processors"),
            jobs=_count(path, machine, "jobs"),
            yardstick_ms=_seconds(path, "machine: yardstick_ms", machine.get("yardstick_ms")),
        ),
        samples=samples,
    )


def _machine_data(machine: Machine) -> dict[str, Any]:
    return {
        "processors": machine.processors,
        "jobs": machine.jobs,
        "yardstick_ms": list(machine.yardstick_ms),
    }


def _table(path: Path, data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {name}={value!r} must be an object. {_ADVICE}")
    return value


def _count(path: Path, data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    if type(value) is not int or value < 1:
        raise UsageError(f"{path}: machine: {name}={value!r} must be a whole number, 1 or more. {_ADVICE}")
    return value


def _seconds(path: Path, name: str, values: Any) -> tuple[float, ...]:
    numbers: Sequence[Any] = values if isinstance(values, list) else [None]
    if not numbers or not all(type(one) in (int, float) and 0 <= one <= LARGEST for one in numbers):
        raise UsageError(f"{path}: {name}={values!r} must be an array of numbers, 0 or more. {_ADVICE}")
    if name.startswith("machine") and not all(numbers):
        raise UsageError(f"{path}: {name}={values!r} must be more than 0. {_ADVICE}")
    return tuple(float(one) for one in numbers)
