"""Is a recovery twice as slow as the baseline says? Two questions are told apart, with equal care for each.

Method: on logarithms, where noise of machines is about symmetric and a doubling is a fixed distance, decide
between "as before" and "twice as slow" at the half-way mark (a ratio of √2). So many measurements are taken
that noise crosses the mark with a probability of at most `ALARM`/m, m being how many are judged (Bonferroni);
by symmetry a doubling is overlooked no more often. Source of the sample size: the normal test of two simple
hypotheses (Neyman and Pearson, 1933). One run a case seldom is enough; therefore two steps: a case that looks
slow enough to be a doubling is measured again, and the new measurements alone decide. The first ones chose
the case, so they would be biased; and how many are taken is fixed before they are.

The noise of a case is estimated from few samples, so it is drawn towards the noise of all cases: the
moderated variance of Smyth (2004, "Linear models and empirical Bayes methods"), with a fixed weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Final

ALARM: Final = 0.005  # of a false alarm in a whole gate; half of what may be, as noise is not quite normal
OVERLOOKED: Final = 0.002  # that a doubling does not look slow enough to be measured again
SAMPLES_MIN: Final = 5  # fewer in the baseline: not judged
AGAIN_MIN: Final = 3
AGAIN_MAX: Final = 8  # what would need more is judged with so many, and said to be too noisy
DOUBLED: Final = math.log(2)
MARK: Final = DOUBLED / 2  # half-way: a ratio of √2
PRIOR_WEIGHT: Final = 4  # samples that the noise of all cases counts for
SHORTEST_S: Final = 0.05  # below, a time says more of how often somebody looks than of recovery

Key = tuple[str, str]  # the title of a case, and which time: `claimed` or `ended`


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """What the baseline says of one time: the mean of its logarithms, their spread, and how many."""

    centre: float
    spread: float  # standard deviation of one measurement, moderated
    samples: int

    @property
    def typical_s(self) -> float:
        """The geometric mean, in seconds."""
        return math.exp(self.centre)

    def error(self, count: int) -> float:
        """The standard deviation of the mean of `count` new measurements, less the centre."""
        return self.spread * math.sqrt(1 / count + 1 / self.samples)

    def suspect_above(self) -> float:
        """The logarithm of the ratio from which one measurement may well be of a doubling."""
        reach = NormalDist().inv_cdf(1 - OVERLOOKED) * self.error(1)
        return min(MARK, DOUBLED - reach)

    def mark(self, count: int, judged: int) -> float:
        """The logarithm of the ratio from which the mean of `count` new measurements is called slower.

        Half-way, unless there are too few for their noise: then higher, since noise must not fail a gate.
        """
        return max(MARK, _reach(judged) * self.error(count))

    def again(self, judged: int) -> tuple[int, bool]:
        """How many new measurements settle it among `judged` times, and whether that is enough."""
        reach = _reach(judged)
        room = (MARK / (reach * self.spread)) ** 2 - 1 / self.samples if self.spread else math.inf
        needed = math.ceil(1 / room) if room > 0 else AGAIN_MAX + 1
        return max(AGAIN_MIN, min(AGAIN_MAX, needed)), needed <= AGAIN_MAX


def norms(baseline: Mapping[Key, Sequence[float]]) -> dict[Key, Norm]:
    """Of every time with enough samples."""
    logs = {key: _logs(values) for key, values in baseline.items() if len(values) >= SAMPLES_MIN}
    freedom = sum(len(values) - 1 for values in logs.values())
    if not freedom:
        return {}
    common = sum(map(_squares, logs.values())) / freedom
    return {key: _norm(values, common) for key, values in logs.items()}


def ratio(norm: Norm, measured_s: Sequence[float], *, machine: float = 1.0) -> float:
    """How many times slower the measurements are, in the mean; `machine`: how much slower the machine is."""
    return math.exp(fmean(_logs(measured_s)) - norm.centre) / machine


def is_suspect(norm: Norm, measured_s: float, *, machine: float = 1.0) -> bool:
    """One measurement that has to be followed by more."""
    return math.log(ratio(norm, [measured_s], machine=machine)) >= norm.suspect_above()


def is_slower(norm: Norm, again_s: Sequence[float], *, judged: int, machine: float = 1.0) -> bool:
    """The verdict, from what was measured again, on one of `judged` times."""
    return math.log(ratio(norm, again_s, machine=machine)) >= norm.mark(len(again_s), judged)


def _reach(judged: int) -> float:
    """How many standard deviations noise seldom reaches, in any of `judged` times."""
    return NormalDist().inv_cdf(1 - ALARM / max(judged, 1))


def _norm(logs: Sequence[float], common: float) -> Norm:
    own = len(logs) - 1
    moderated = (PRIOR_WEIGHT * common + _squares(logs)) / (PRIOR_WEIGHT + own)
    return Norm(centre=fmean(logs), spread=math.sqrt(moderated), samples=len(logs))


def _squares(values: Sequence[float]) -> float:
    """The sum of squares about the mean."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values)


def _logs(values: Sequence[float]) -> list[float]:
    return [math.log(max(value, SHORTEST_S)) for value in values]
