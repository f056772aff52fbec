"""What an examination comes to: steps, each with what was seen and what to do about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["ok", "note", "bad", "skipped"]
"""`note`: it runs, and something should be known. `skipped`: a step before it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `told` is what was seen, a sentence each; `advice` what to do, a sentence each."""

    name: str
    state: State
    told: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All steps of a target, in their order. `word` is how a user names it."""

    target: str
    word: str
    configuration: str | None
    steps: tuple[Step, ...]
    took_s: float

    @property
    def ready(self) -> bool:
        """True when nothing has to be mended before a run."""
        return not self.problems

    @property
    def problems(self) -> Sequence[Step]:
        return [step for step in self.steps if step.state == "bad"]

    def as_json(self) -> Mapping[str, Any]:
        """For programs: `ready`, and every step."""
        return {
            "target": self.target,
            "configuration": self.configuration,
            "ready": self.ready,
            "took_s": round(self.took_s, 3),
            "steps": [dataclasses.asdict(step) for step in self.steps],
        }


class Notes:
    """Collects what a step has to say; the worst of it decides."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._state: State = "ok"
        self._told: list[str] = []
        self._advice: list[str] = []

    def tell(self, text: str) -> None:
        """Something that was seen and is as it should be."""
        self._told.append(text)

    def note(self, text: str, advice: str = "") -> None:
        """Something to know, which keeps nobody from running it."""
        if self._state == "ok":
            self._state = "note"
        self._add(text, advice)

    def bad(self, text: str, advice: str = "") -> None:
        """Something to mend."""
        self._state = "bad"
        self._add(text, advice)

    def step(self) -> Step:
        return Step(name=self._name, state=self._state, told=tuple(self._told), advice=tuple(self._advice))

    def _add(self, text: str, advice: str) -> None:
        if text not in self._told:
            self._told.append(text)
        if advice and advice not in self._advice:
            self._advice.append(advice)
