"""The deployment checklist: lines, each with what was seen and where it is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from unstuck.errors import ExitCode


class LineState(StrEnum):
    """`cannot`: it cannot be done on that database, or taken back, and `evidence` says what that means."""

    OK = "ok"
    BROKEN = "broken"
    NOT_PROVED = "not proved"
    CANNOT = "cannot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`says` is a sentence that is true when the state is ok. `folder`: the run that shows it."""

    id: str
    database: str
    says: str
    state: LineState
    evidence: Sequence[str]
    folder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """`old` and `new` are as they were named, with the revisions of their schemas."""

    old: str
    new: str
    revisions: tuple[str, str]
    lines: tuple[Line, ...]
    took_s: float
    interrupted: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """Broken beats not proved; what cannot be done is told, and keeps nobody from deploying."""
        states = {line.state for line in self.lines}
        if LineState.BROKEN in states:
            return ExitCode.FAIL
        if self.interrupted:
            return ExitCode.INTERRUPTED
        return ExitCode.INCONCLUSIVE if LineState.NOT_PROVED in states else ExitCode.PASS

    def as_json(self) -> Mapping[str, Any]:
        return {
            "old": self.old,
            "new": self.new,
            "revisions": list(self.revisions),
            "verdict": self.exit_code.name.lower(),
            "took_s": round(self.took_s, 1),
            "lines": [
                {
                    "id": line.id,
                    "database": line.database,
                    "says": line.says,
                    "state": line.state.value,
                    "evidence": list(line.evidence),
                    "folder": line.folder,
                }
                for line in self.lines
            ],
        }
