"""What a larger memory limit costs a month. A formula: prices are given, none is ours or a vendor's word."""

from __future__ import annotations

HOURS_A_MONTH = 730.0  # 365 days in twelve parts


def cost_per_month(
    *,
    limit_mib: float,
    instances: float,
    price_per_gib_hour: float,
    busy_share: float = 1.0,
) -> float:
    """instances x GiB x hours x price, in the currency of the price.

    `busy_share`: the part of the month in which an instance is paid for, 1.0 for one that is always there,
    less where it is paid by use. Raises `ValueError` for what is negative, and for a share above 1.
    """
    if min(limit_mib, instances, price_per_gib_hour, busy_share) < 0 or busy_share > 1:
        raise ValueError("limit_mib, instances and price_per_gib_hour are 0 or more, busy_share is 0 to 1")
    return instances * (limit_mib / 1024) * HOURS_A_MONTH * busy_share * price_per_gib_hour


def added_per_month(
    *,
    from_mib: float,
    to_mib: float,
    instances: float,
    price_per_gib_hour: float,
    busy_share: float = 1.0,
) -> float:
    """By how much the bill grows when the limit goes from one to the other; negative when it shrinks."""
    new, old = (
        cost_per_month(
            limit_mib=limit, instances=instances, price_per_gib_hour=price_per_gib_hour, busy_share=busy_share
        )
        for limit in (to_mib, from_mib)
    )
    return new - old


def limit_for(peak_mib: float, *, headroom: float = 0.3) -> float:
    """The smallest limit of which `headroom` (0.3: 30 %) stays free at the peak. Raises `ValueError`."""
    if peak_mib < 0 or not 0 <= headroom < 1:
        raise ValueError("peak_mib is 0 or more, headroom 0 to below 1")
    return peak_mib / (1 - headroom)
