"""What rules say of a workload, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error loses or strands jobs; a warning may, or hides it; a note fails nothing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule is not kept. `text`: the value and the rule, without a full stop; `step`: a sentence."""

    line: int
    text: str
    step: str
    about: str = ""  # tells apart two findings of one rule in one workload: a flag, a variable
    severity: Severity | None = None  # None: the rule's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A rule could not judge. `lacks`: what is missing; `step`: a sentence. The same words are told once."""

    line: int
    lacks: str
    step: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A rule had something to judge, and it is as it should be."""


Outcome = Broken | Open | Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that a workload does not keep. `allowed`: the reason of a comment that allows it."""

    rule: str
    severity: Severity
    path: str
    line: int
    subject: str
    text: str
    step: str
    about: str = ""
    allowed: str | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.subject}: {self.text}. {self.step}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """A rule that could not judge a workload, and what it lacks."""

    rule: str
    path: str
    line: int
    subject: str
    lacks: str
    step: str
