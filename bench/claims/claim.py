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
    """`says`: the claim, in a sentence. `measure` tries it, in all the runs that takes, and says what it saw.

    `measure` raises for what kept it from measuring: that is no finding. `look`: a command that shows one of
    these runs, or makes the figures that are read; empty where no single one does. `watches`: files and
    folders that the figure depends on, beside the scenarios and defences that `look` names.
    """

    id: str  # small letters, digits and -, never used twice
    incident: str
    says: str
    measure: Callable[[], Finding]
    look: str = ""
    watches: tuple[str, ...] = ()
