"""A claim that was made, and what we found when we tried it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["held", "refuted", "undecided", "not testable here"]
"""`undecided`: it was tried, and what was seen goes with the claim and with its contrary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a measurement showed. `figure`: our number, with its unit and of how many; `note`: what it takes
    to be true, or why it cannot be tried here. `commit`: where it was measured; empty: where it is asked for.
    """

    verdict: Verdict
    figure: str
    note: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`says`: the claim, in a sentence. `command`: what shows it. `measure` runs that, and says what it saw.

    `measure` raises for what kept it from measuring: that is no finding. `watches`: files and folders that
    the figure depends on, beside the scenarios and defences that `command` names.
    """

    id: str  # small letters, digits and -, never used twice
    incident: str
    says: str
    command: str
    measure: Callable[[], Finding]
    watches: tuple[str, ...] = ()
