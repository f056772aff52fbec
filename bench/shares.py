"""How much a sample says of a share: exact one-sided bounds (Clopper and Pearson, 1934)."""

from __future__ import annotations

import math
from typing import Final, Literal

CONFIDENCE: Final = 0.95
HALVINGS: Final = 60  # of an interval of length 1: far finer than any figure that is shown


def share_least(good: int, of: int, *, confidence: float = CONFIDENCE) -> float:
    """The smallest share of good ones that so many good ones of so many do not contradict.

    With none bad it is about 1 - 3/of (the rule of three). 0 without any. Raises `ValueError` for counts
    that cannot be.
    """
    if not 0 <= good <= of:
        raise ValueError(f"good={good} has to lie between 0 and of={of}.")
    if good == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        share = (low + high) / 2
        low, high = (share, high) if _at_least(good, of, share) < 1 - confidence else (low, share)
    return low


def share_most(good: int, of: int, *, confidence: float = CONFIDENCE) -> float:
    """The largest share of good ones that so many good ones of so many do not contradict. 1 without any.

    Raises `ValueError` for counts that cannot be.
    """
    return 1.0 - share_least(of - good, of, confidence=confidence)


def judge(share: float, good: int, of: int) -> Literal["held", "refuted", "undecided"]:
    """What so many jobs say of `at least this share is good`, by the bound of either side.

    Held: no smaller share goes with them. Refuted: none as large does. Undecided: both do, as one failure in
    39 goes with 99 %. Raises `ValueError` for counts that cannot be.
    """
    if share_least(good, of) >= share:
        return "held"
    return "refuted" if share_most(good, of) < share else "undecided"


def needed(share: float, *, confidence: float = CONFIDENCE) -> int:
    """Of how many none may be bad to support that at least this share is good; share is below 1."""
    return math.ceil(math.log(1 - confidence) / math.log(share) - 1e-9)


def _at_least(good: int, of: int, share: float) -> float:
    """The probability of at least so many good ones, if this share is good: of at most the rest bad."""
    if share in (0.0, 1.0):
        return share
    return math.fsum(
        math.exp(
            math.lgamma(of + 1) - math.lgamma(bad + 1) - math.lgamma(of - bad + 1)
            + bad * math.log1p(-share) + (of - bad) * math.log(share)
        )
        for bad in range(of - good + 1)
    )  # fmt: skip
