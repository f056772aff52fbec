"""Bounds of shares: exact, against values of tables."""

from __future__ import annotations

import pytest

from bench.shares import needed, share_least


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
