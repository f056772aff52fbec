"""docs/findings/<target>.yaml: what no run can know of a finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from bench.seen import ROOT, Broken

FOLDER = ROOT / "docs/findings"
KEYS = {"finding", "configurations", "class", "shown_by", "documented", "page", "cause", "upstream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One finding, if a run shows it.

    `shown_by`: titles of cases, and crash points (`kill at worker.broker BRPOP celery, on its reply`, `*`
    allowed), the smallest first. `documented`: what `page` of the system's documentation says to it, in our
    words. `upstream`: threads of the system's own tracker.
    """

    target: str
    title: str
    configurations: tuple[str, ...]
    kind: str
    shown_by: tuple[str, ...]
    documented: str
    page: str
    cause: str = ""
    upstream: tuple[str, ...] = ()

    def explains(self, one: Broken) -> bool:
        """True for the very class, in one of the configurations, at one of the places."""
        return (
            one.target == self.target
            and one.configuration in self.configurations
            and one.kind == self.kind
            and self.rank(one) is not None
        )

    def rank(self, one: Broken) -> int | None:
        """Which of the places it is; None: none of them."""
        for number, place in enumerate(self.shown_by):
            if place == one.at or (one.explored and " at " in place and fnmatchcase(one.at, place)):
                return number
        return None


def explanations(folder: Path = FOLDER) -> list[Explanation]:
    """All of them, by target, in the order of their files. Raises `ValueError` for a wrong key."""
    return [one for path in sorted(folder.glob("*.yaml")) for one in _read(path)]


def _read(path: Path) -> Iterable[Explanation]:
    for number, said in enumerate(yaml.safe_load(path.read_text(encoding="utf-8")), 1):
        wrong = (set(said) - KEYS) | (KEYS - {"cause", "upstream"} - set(said))
        if wrong:
            raise ValueError(f"{path}: finding {number}: {', '.join(sorted(wrong))}: not a key, or missing")
        yield Explanation(
            target=path.stem,
            title=_text(said["finding"]),
            configurations=tuple(said["configurations"]),
            kind=said["class"],
            shown_by=tuple(said["shown_by"]),
            documented=_text(said["documented"]),
            page=said["page"],
            cause=_text(said.get("cause", "")),
            upstream=tuple(said.get("upstream", ())),
        )


def _text(value: Any) -> str:
    return " ".join(str(value).split())
