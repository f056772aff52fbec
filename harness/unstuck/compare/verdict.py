"""What a gate's recovery times come to, held against a baseline: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unstuck.compare.baseline import Baseline
from unstuck.compare.slower import SAMPLES_MIN, Key, Norm, is_slower, is_suspect, norms, ratio
from unstuck.errors import ExitCode

MACHINE_MAX = 1.5  # a machine so much slower than the baseline's is another one: nothing is judged
MACHINE_NOISE = 1.15  # below, the yardstick's own noise: taken for the same machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One recovery time against its norm. `again_s` is empty when it did not look slow."""

    key: Key
    norm: Norm
    first_s: float
    ratio: float  # of what decided: the new measurements, or the first
    slower: bool
    sure: bool  # a doubling would hardly be overlooked, and noise hardly taken for one
    again_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All that the baseline says of a gate. `why_not` says why nothing could be judged."""

    held: tuple[Held, ...] = ()
    absent: tuple[str, ...] = ()  # cases with a recovery that the baseline does not know
    few: tuple[Key, ...] = ()  # times with fewer samples than it takes
    missing: tuple[Key, ...] = ()  # times that the baseline knows, and this gate did not measure
    machine: float = 1.0
    why_not: str | None = None

    @property
    def slower(self) -> tuple[Held, ...]:
        """Worst first."""
        found = [one for one in self.held if one.slower]
        return tuple(sorted(found, key=lambda one: one.ratio, reverse=True))

    @property
    def exit_code(self) -> ExitCode:
        if self.slower:
            return ExitCode.FAIL
        return ExitCode.PASS if self.held and self.why_not is None else ExitCode.INCONCLUSIVE


class Comparison:
    """Holds one gate against a baseline, in two steps: `again` says what to measure again, `judge` concludes.

    `first` has one measurement of each time; `machine` says how much slower this machine is.
    """

    def __init__(self, baseline: Baseline, first: Mapping[Key, float], machine: float) -> None:
        self._baseline = baseline
        self._first = first
        # Never the other way: a lease does not get shorter on a faster machine.
        self._machine = machine if machine > MACHINE_NOISE else 1.0
        self._norms = norms(baseline.samples)
        self._judged = sorted(key for key in first if key in self._norms)
        if self._machine > MACHINE_MAX:
            self._judged = []

    def again(self) -> dict[str, int]:
        """Case -> how many more runs it takes to tell whether it is slower; only those that look so."""
        counts: dict[str, int] = {}
        for title, name in self._judged:
            norm = self._norms[title, name]
            if is_suspect(norm, self._first[title, name], machine=self._machine):
                count, _ = norm.again(len(self._judged))
                counts[title] = max(counts.get(title, 0), count)
        return counts

    def judge(self, again: Mapping[Key, Sequence[float]]) -> Judgement:
        """`again`: what was measured again, of each time of the cases that `again()` named."""
        known = self._baseline.samples
        return Judgement(
            held=tuple(self._hold(key, tuple(again.get(key, ()))) for key in self._judged),
            absent=tuple(sorted({title for title, _ in self._first} - self._baseline.cases)),
            few=tuple(sorted(key for key in self._first if key in known and len(known[key]) < SAMPLES_MIN)),
            missing=tuple(sorted(key for key in known if key not in self._first)),
            machine=self._machine,
            why_not=self._why_not(),
        )

    def _hold(self, key: Key, again_s: tuple[float, ...]) -> Held:
        norm, first_s = self._norms[key], self._first[key]
        suspect = is_suspect(norm, first_s, machine=self._machine)
        decides = again_s if suspect and again_s else (first_s,)
        needed, enough = norm.again(len(self._judged))
        # Looked slow, and too few of the further runs gave a time: what there is decides, and is not sure.
        measured = not suspect or len(again_s) >= needed
        return Held(
            key=key,
            norm=norm,
            first_s=first_s,
            ratio=ratio(norm, decides, machine=self._machine),
            slower=suspect and is_slower(norm, decides, judged=len(self._judged), machine=self._machine),
            sure=enough and measured,
            again_s=again_s if suspect else (),
        )

    def _why_not(self) -> str | None:
        if self._machine > MACHINE_MAX:
            return (
                f"this machine is {self._machine:.1f} times slower than the baseline's, so that nothing can "
                "be judged. Write a baseline on a machine like this one."
            )
        if not self._first:
            return "no job of this gate was hit and recovered, so that there is nothing to judge."
        if not self._judged:
            return f"none of its times has {SAMPLES_MIN} samples. Add gates with --write-baseline."
        return None


def as_data(judgement: Judgement) -> dict[str, Any]:
    """For programs."""
    return {
        "machine_slower_by": round(judgement.machine, 3),
        "why_not": judgement.why_not,
        "slower": [_data(one) for one in judgement.slower],
        "judged": [_data(one) for one in judgement.held],
        "absent": list(judgement.absent),
        "few_samples": [list(key) for key in judgement.few],
        "not_measured": [list(key) for key in judgement.missing],
    }


def _data(one: Held) -> dict[str, Any]:
    return {
        "case": one.key[0],
        "time": one.key[1],
        "baseline_s": round(one.norm.typical_s, 3),
        "measured_s": round(one.first_s, 3),
        "again_s": [round(value, 3) for value in one.again_s],
        "ratio": round(one.ratio, 3),
        "slower": one.slower,
        "sure": one.sure,
    }
