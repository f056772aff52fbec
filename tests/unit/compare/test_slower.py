"""The statistics of the baseline: over many made-up gates, noise is let pass and a doubling is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

import pytest

from unstuck.compare.baseline import Baseline, Machine
from unstuck.compare.slower import AGAIN_MAX, AGAIN_MIN, MARK, SAMPLES_MIN, Key, Norm, norms, ratio
from unstuck.compare.verdict import Comparison, Judgement
from unstuck.errors import ExitCode
from unstuck.rng import split

MACHINE = Machine(processors=2, jobs=2, yardstick_ms=(10.0,))
CASES = 20
SAMPLES = 10
GATES = 1000


def drawn(random: Random, spread: float, times: float = 1.0) -> float:
    """A recovery of about a second, as noisy as told."""
    return times * math.exp(random.gauss(0, spread))


def gate(random: Random, spread: float, slower: Mapping[Key, float]) -> Judgement:
    """One gate against a baseline of its own, both drawn."""
    keys: list[Key] = [(f"case-{number}", "claimed") for number in range(CASES)]
    baseline = Baseline(
        machine=MACHINE,
        samples={key: tuple(drawn(random, spread) for _ in range(SAMPLES)) for key in keys},
    )
    first = {key: drawn(random, spread, slower.get(key, 1.0)) for key in keys}
    comparison = Comparison(baseline, first, 1.0)
    counts = comparison.again()
    again = {
        key: [drawn(random, spread, slower.get(key, 1.0)) for _ in range(counts[key[0]])]
        for key in keys
        if key[0] in counts
    }
    return comparison.judge(again)


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.15, 0.2])
def test_noise_seldom_fails_a_gate(spread: float) -> None:
    """Fewer than 1 % of whole gates of twenty cases."""
    random = split(1, "noise", str(spread))
    alarms = sum(bool(gate(random, spread, {}).slower) for _ in range(GATES))
    assert alarms < GATES / 100


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.15, 0.2])
def test_a_doubled_recovery_fails_a_gate(spread: float) -> None:
    """One case of twenty is twice as slow, and is named in at least 99 % of gates."""
    random = split(1, "doubled", str(spread))
    key = ("case-7", "claimed")
    caught = sum(any(one.key == key for one in gate(random, spread, {key: 2.0}).slower) for _ in range(GATES))
    assert caught >= GATES * 0.99


def test_what_looks_slow_is_measured_again_before_it_is_called_so() -> None:
    """The first run chose the case; the new ones decide, and one freak changes nothing."""
    key = ("case", "claimed")
    baseline = Baseline(machine=MACHINE, samples={key: (1.0, 1.1, 0.9, 1.0, 1.0, 1.05)})
    comparison = Comparison(baseline, {key: 2.1}, 1.0)
    assert comparison.again() == {"case": AGAIN_MIN}
    assert comparison.judge({key: [1.0, 1.1, 1.0]}).exit_code is ExitCode.PASS
    judgement = comparison.judge({key: [2.0, 2.1, 1.9]})
    assert judgement.exit_code is ExitCode.FAIL
    assert judgement.slower[0].ratio == pytest.approx(2.0, rel=0.05)


def test_as_before_is_measured_once() -> None:
    """A gate that is as fast as ever costs nothing more."""
    key = ("case", "claimed")
    baseline = Baseline(machine=MACHINE, samples={key: (1.0, 1.1, 0.9, 1.0, 1.0)})
    comparison = Comparison(baseline, {key: 1.2}, 1.0)
    assert comparison.again() == {}
    assert comparison.judge({}).exit_code is ExitCode.PASS


def test_more_noise_takes_more_measurements() -> None:
    """As many as keep both errors small; what would need too many is said not to be sure."""
    counts = [Norm(centre=0.0, spread=spread, samples=10).again(20) for spread in (0.05, 0.2, 0.5)]
    assert counts[0] == (AGAIN_MIN, True)
    assert AGAIN_MIN < counts[1][0] < AGAIN_MAX
    assert counts[1][1]
    assert counts[2] == (AGAIN_MAX, False)


def test_the_mark_is_as_far_from_either() -> None:
    """Half-way between as before and twice as slow, on the logarithm."""
    assert math.exp(MARK) == pytest.approx(math.sqrt(2))


def test_a_quiet_case_borrows_the_noise_of_the_others() -> None:
    """A few samples that happen to agree prove no precision; a noisy one keeps most of its own noise."""
    found = norms({("quiet", "claimed"): [1.0] * 6, ("noisy", "claimed"): [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]})
    quiet, noisy = found["quiet", "claimed"].spread, found["noisy", "claimed"].spread
    assert 0.1 < quiet < noisy < 0.4


def test_what_is_not_judged_is_named() -> None:
    """Absent, too few samples, and not measured this time."""
    baseline = Baseline(
        machine=MACHINE,
        samples={
            ("known", "claimed"): (1.0, 1.1, 1.0, 0.9, 1.0),
            ("young", "claimed"): (1.0,) * (SAMPLES_MIN - 1),
            ("gone", "ended"): (1.0, 1.1, 1.0, 0.9, 1.0),
        },
    )
    first = {("known", "claimed"): 1.0, ("young", "claimed"): 9.0, ("new", "ended"): 1.0}
    judgement = Comparison(baseline, first, 1.0).judge({})
    assert judgement.absent == ("new",)
    assert judgement.few == (("young", "claimed"),)
    assert judgement.missing == (("gone", "ended"),)
    assert [one.key for one in judgement.held] == [("known", "claimed")]


@pytest.mark.parametrize(
    ("first", "machine", "why"),
    [
        ({}, 1.0, "no job of this gate"),
        ({("new", "claimed"): 1.0}, 1.0, "none of its times"),
        ({("known", "claimed"): 1.0}, 1.6, "1.6 times slower"),
    ],
)
def test_nothing_judged_is_no_pass(first: Mapping[Key, float], machine: float, why: str) -> None:
    """Inconclusive, with the reason: a gate without recoveries, without norms, on another machine."""
    baseline = Baseline(machine=MACHINE, samples={("known", "claimed"): (1.0, 1.1, 1.0, 0.9, 1.0)})
    comparison = Comparison(baseline, first, machine)
    assert comparison.again() == {}
    judgement = comparison.judge({})
    assert judgement.exit_code is ExitCode.INCONCLUSIVE
    assert judgement.why_not is not None
    assert why in judgement.why_not


def test_a_slower_machine_is_not_blamed_on_the_service() -> None:
    """What it measures is divided by how much slower it is; a faster one excuses nothing."""
    key = ("case", "claimed")
    baseline = Baseline(machine=MACHINE, samples={key: (1.0, 1.1, 0.9, 1.0, 1.0)})
    assert Comparison(baseline, {key: 1.6}, 1.0).again()
    assert not Comparison(baseline, {key: 1.6}, 1.4).again()
    assert Comparison(baseline, {key: 1.6}, 0.5).again()


def test_times_too_short_to_mean_anything_are_alike() -> None:
    """Below the floor a doubling is a matter of who looks when."""
    norm = norms({("case", "claimed"): [0.01, 0.02, 0.01, 0.02, 0.01]})["case", "claimed"]
    assert ratio(norm, [0.04]) == pytest.approx(1.0)
