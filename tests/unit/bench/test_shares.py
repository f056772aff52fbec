"""Bounds of shares: exact, against values of tables."""

from __future__ import annotations

import pytest

from bench.shares import judge, needed, share_least, share_most


@pytest.mark.parametrize(
    ("good", "of", "least"),
    [
        (0, 0, 0.0),
        (0, 10, 0.0),
        (10, 10, 0.7411),  # 0.05 ** 0.1
        (9, 10, 0.6058),  # Clopper and Pearson's table, 90 % on both sides
        (5, 10, 0.2224),
        (750, 750, 0.99601),
    ],
)
def test_the_least_share_is_exact(good: int, of: int, least: float) -> None:
    """One-sided, at 95 %."""
    assert share_least(good, of) == pytest.approx(least, abs=5e-5)


def test_the_most_share_is_what_the_failures_leave() -> None:
    """0.95 ** (1/39): at that share, 39 jobs without a failure come once in 95 of a hundred."""
    assert share_most(38, 39) == pytest.approx(0.95 ** (1 / 39), abs=1e-9)
    assert share_most(39, 39) == share_most(0, 0) == 1.0


@pytest.mark.parametrize(
    ("of", "bad", "verdict"),
    [
        (0, 0, "undecided"),
        (120, 0, "undecided"),  # supports 97.5 %
        (298, 0, "undecided"),
        (299, 0, "held"),
        (1000, 3, "held"),  # at most 7.75 bad ones, at 95 %
        (1000, 6, "undecided"),  # 99.4 % were seen, and 98.8 % are supported
        (39, 1, "undecided"),  # which a service of exactly 99 % does to one sample in three
        (1000, 15, "undecided"),
        (1000, 20, "refuted"),
    ],
)
def test_a_share_is_decided_by_the_bounds_and_not_by_the_sample(of: int, bad: int, verdict: str) -> None:
    """Held by the lower one, refuted by the upper one; between the two nothing is known."""
    assert judge(0.99, of - bad, of) == verdict


def test_so_many_without_a_failure_are_needed() -> None:
    """One fewer does not support it."""
    for share in (0.9, 0.99, 0.999):
        count = needed(share)
        assert share_least(count, count) >= share > share_least(count - 1, count - 1)
    assert (needed(0.99), needed(0.999)) == (299, 2995)


def test_more_good_ones_than_there_are_cannot_be() -> None:
    """A mistake in counting is no share of 120 %."""
    with pytest.raises(ValueError, match="good=12 has to lie between 0 and of=10"):
        share_least(12, 10)
