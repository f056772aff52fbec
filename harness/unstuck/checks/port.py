"""What a property is: a pure function from a history to a result that names its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from unstuck.checks.story import Story


class Verdict(StrEnum):
    """Of a property and of a run. `inconclusive` says that nothing was there to judge, or unclear."""

    PASS = "pass"  # noqa: S105  not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One broken promise: which job (None: of the run), what is wrong, and the events that show it."""

    job: str | None
    message: str
    events: tuple[int, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyResult:
    """`judged` counts what the property had to judge; 0 with `expected` makes a run inconclusive."""

    name: str
    verdict: Verdict
    judged: int
    summary: str  # one line, with figures: "8 of 8 jobs terminal, the last after 1.24 s"
    evidence: tuple[Evidence, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)  # e.g. recovery p50_s, max_s
    expected: bool = False  # named in the scenario's `expect`


class Property(Protocol):
    """A module of `unstuck.checks` that has these four names is a property."""

    NAME: str
    PROMISE: str  # one sentence: what must hold
    PARAMETERS: Mapping[str, tuple[type, ...]]  # what `expect` may give: name -> types; `*`: any name

    def check(self, story: Story, params: Mapping[str, Any]) -> PropertyResult:
        """Judges. `params` is what `expect` gives, validated by the scenario's loader; may be empty."""
        ...
