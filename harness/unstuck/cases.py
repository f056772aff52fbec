"""Which cases a scenario file has: alternatives times matrix, whole or pairwise, and how one is named."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from allpairspy import AllPairs

from unstuck.errors import UsageError, did_you_mean
from unstuck.yaml_source import resolve, shorten

ALTERNATIVE = "alternative"

Value = str | int | float | bool
Case = dict[str, Value]


def spell(value: object) -> str:
    """How a value is written in a selection: `true`, `5` (also for 5.0), `scenes`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def matches(case: Mapping[str, object], selection: Mapping[str, object]) -> bool:
    """True when the case has every value that the selection names; 5 selects 5.0, and not true."""
    return all(name in case and spell(case[name]) == spell(value) for name, value in selection.items())


def parse_selection(text: str) -> Case:
    """`stage=frames,grace_s=0.5` as a mapping. Raises `UsageError` for anything else."""
    selection: Case = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, separator, written = part.partition("=")
        try:
            value = resolve(written)
        except ValueError as error:
            raise UsageError(f"case {shorten(part)} {error}.") from None
        if not separator or value is None or name in selection:
            raise UsageError(f"case {shorten(part)} is not a choice. Write it once, as name=value.")
        selection[name] = value
    return selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The space of a file's cases.

    `matrix` maps a parameter to its values; the first of each is the base. `used` says for each alternative
    (None: the file has none) which parameters it mentions: the others do not multiply its cases.
    """

    alternatives: tuple[str, ...]
    matrix: Mapping[str, Sequence[Value]]
    used: Mapping[str | None, frozenset[str]]

    @property
    def size(self) -> int:
        """How many cases there are, without making them."""
        return sum(
            math.prod(len(self.matrix[name]) for name in self._names(choice)) for choice in self._choices()
        )

    def all(self) -> list[Case]:
        """Every case, the base first; the last parameter varies fastest."""
        cases: list[Case] = []
        for choice in self._choices():
            names = self._names(choice)
            start: Case = {} if choice is None else {ALTERNATIVE: choice}
            cases.extend(
                {**start, **dict(zip(names, values, strict=True))}
                for values in itertools.product(*(self.matrix[name] for name in names))
            )
        return cases

    def pairwise(self) -> list[Case]:
        """Few cases, the base first, in which each two values that can meet do meet. Deterministic."""
        everything = self.all()
        chosen = {_key(everything[0]): everything[0]}
        for case in self._all_pairs():
            chosen.setdefault(_key(case), case)
        # allpairspy stops at its first row without a new pair; where alternatives forbid rows, that can be
        # early. What is then missing is added here, so that coverage is a promise and not a hope.
        covered = {pair for case in chosen.values() for pair in _pairs(case)}
        for case in everything:
            if not covered.issuperset(_pairs(case)):
                chosen.setdefault(_key(case), case)
                covered.update(_pairs(case))
        return list(chosen.values())

    def why_none(self, selection: Mapping[str, object]) -> str | None:
        """Why no case matches, as `name=value rule`; None when one does."""
        for name, value in selection.items():
            known = self._values(name)
            if known is None:
                names = [*([ALTERNATIVE] if self.alternatives else []), *self.matrix]
                hint = did_you_mean(name, names) or " It has none."
                return f"{shorten(name)} is not a parameter of this scenario.{hint}"
            if spell(value) not in {spell(one) for one in known}:
                hint = did_you_mean(spell(value), [spell(one) for one in known])
                return f"{name}={shorten(value)} is not one of its values.{hint}"
        if any(matches(case, selection) for case in self.all()):
            return None
        return f"no case has {', '.join(f'{k}={spell(v)}' for k, v in selection.items())} together."

    def _choices(self) -> Sequence[str | None]:
        return self.alternatives or (None,)

    def _names(self, choice: str | None) -> list[str]:
        return [name for name in self.matrix if name in self.used[choice]]

    def _values(self, name: str) -> Sequence[Value] | None:
        if name == ALTERNATIVE:
            return self.alternatives or None
        return self.matrix.get(name)

    def _all_pairs(self) -> Iterator[Case]:
        choices = self._choices()
        names = list(self.matrix)
        axes = [range(len(choices)), *(range(len(self.matrix[name])) for name in names)]

        def possible(row: Sequence[int]) -> bool:
            # A parameter that the alternative does not mention stays at its base value.
            used = self.used[choices[row[0]]]
            return all(index == 0 or names[i] in used for i, index in enumerate(row[1:]))

        if not names:
            yield from self.all()
            return
        for row in AllPairs([list(axis) for axis in axes], filter_func=possible):
            choice = choices[row[0]]
            case: Case = {} if choice is None else {ALTERNATIVE: choice}
            for name, index in zip(names, row[1:], strict=True):
                if name in self.used[choice]:
                    case[name] = self.matrix[name][index]
            yield case


def _key(case: Case) -> tuple[tuple[str, str], ...]:
    return tuple((name, spell(value)) for name, value in case.items())


def _pairs(case: Case) -> set[tuple[tuple[str, str], ...]]:
    """Each two choices of a case, and each single one (an alternative may be all that it has)."""
    key = _key(case)
    return {*itertools.combinations(key, 1), *itertools.combinations(key, 2)}
