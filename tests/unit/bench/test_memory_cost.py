"""The cost of a larger memory limit, by its formula; and the page that shows it."""

from __future__ import annotations

import pytest

from bench.memory_cost import added_per_month, cost_per_month, limit_for


def test_the_formula_is_instances_by_gib_by_hours_by_price() -> None:
    """Four instances of half a GiB, a price of 0.01 a GiB and hour: 730 hours in a month."""
    assert cost_per_month(limit_mib=512, instances=4, price_per_gib_hour=0.01) == pytest.approx(14.6)


def test_what_is_paid_by_use_costs_less() -> None:
    """In proportion."""
    whole = cost_per_month(limit_mib=1024, instances=1, price_per_gib_hour=1.0)
    assert cost_per_month(
        limit_mib=1024, instances=1, price_per_gib_hour=1.0, busy_share=0.25
    ) == pytest.approx(whole / 4)


def test_a_larger_limit_adds_and_a_smaller_one_saves() -> None:
    """By the same amount."""
    more = added_per_month(from_mib=512, to_mib=2048, instances=3, price_per_gib_hour=0.02)
    less = added_per_month(from_mib=2048, to_mib=512, instances=3, price_per_gib_hour=0.02)
    assert more == pytest.approx(3 * 1.5 * 730 * 0.02)
    assert less == pytest.approx(-more)


def test_the_limit_leaves_the_headroom_free() -> None:
    """350 MiB at the peak, 30 % free: 500 MiB."""
    assert limit_for(350) == pytest.approx(500)


@pytest.mark.parametrize("wrong", [{"busy_share": 1.1}, {"instances": -1}, {"price_per_gib_hour": -0.1}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    """A negative price is a slip."""
    with pytest.raises(ValueError, match="0 or more"):
        cost_per_month(**{"limit_mib": 1, "instances": 1, "price_per_gib_hour": 1, **wrong})
