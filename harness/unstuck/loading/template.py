"""A scenario file before its cases are chosen: the matrix, the alternatives, the adjustments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from unstuck.cases import ALTERNATIVE, Case, Grid, Value, matches, spell
from unstuck.errors import ScenarioError, did_you_mean
from unstuck.loading.spot import Spot
from unstuck.yaml_source import Node

CASES_MAX = 1_000

# What may differ from case to case. An alternative replaces the first group; it is merged into the second,
# so many levels deep (a property whole, a role down to each of its settings).
REPLACED = ("workload", "faults", "budget_s", "promise")
MERGED: Final[Mapping[str, int]] = {"expect": 1, "settings": 1, "roles": 3}
VARYING = (*REPLACED, *MERGED)
FIXED = ("name", "summary", "incident", "before", "guards", "matrix", "alternatives", "adjust")

_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NOT_IN_A_TITLE = re.compile(r"[\s,=\[\]]")  # `name[stage=frames,grace_s=0]` selects a case


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """`expect` is merged into the expectations of the cases that match `selection`."""

    selection: Case
    expect: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The keys of a file, and the space of its cases."""

    root: Spot
    keys: Mapping[str, Spot]
    grid: Grid
    values: Mapping[str, Mapping[str, Node]]  # parameter -> spelled value -> where it stands
    alternatives: Mapping[str, Mapping[str, Spot]]
    adjustments: tuple[Adjustment, ...]

    def body(self, case: Case) -> dict[str, Spot]:
        """The varying keys as they are in one case, with everything filled in."""
        body = _merged(self.keys, self.alternatives.get(str(case.get(ALTERNATIVE)), {}))
        for adjustment in self.adjustments:
            if matches(case, adjustment.selection):
                body["expect"] = _over(body.get("expect"), adjustment.expect, MERGED["expect"])
        values = {name: self.values[name][spell(case[name])] for name in case if name != ALTERNATIVE}
        return {key: Spot(spot.file, spot.way, _substitute(spot.node, values)) for key, spot in body.items()}


def read_template(root: Spot) -> Template:
    """Reads what makes the cases. Raises `ScenarioError`."""
    if "cases" in root.entries():
        raise root.key_error(
            root.entries()["cases"],
            "cases",
            "is not a key: the grid of parameters is called `matrix`. Rename it.",
        )
    keys = root.entries((*FIXED, *VARYING))
    values = _read_matrix(keys["matrix"]) if "matrix" in keys else {}
    alternatives = _read_alternatives(keys) if "alternatives" in keys else {}
    expects = [item.entries().get("expect") for item in keys["adjust"].items()] if "adjust" in keys else []
    _check_references([*_varying(keys), *_all(alternatives), *filter(None, expects)], keys, values)
    grid = Grid(
        alternatives=tuple(alternatives),
        matrix={name: [_value(node) for node in nodes.values()] for name, nodes in values.items()},
        used=_used(keys, alternatives),
    )
    if grid.size > CASES_MAX:
        where = keys.get("matrix") or root
        raise where.error(f"makes {grid.size} cases. Take values out, until there are {CASES_MAX} at most.")
    adjustments = _read_adjustments(keys["adjust"], grid) if "adjust" in keys else ()
    return Template(
        root=root, keys=keys, grid=grid, values=values, alternatives=alternatives, adjustments=adjustments
    )


def read_selection(spot: Spot, grid: Grid) -> Case:
    """A mapping that selects at least one case. Raises `ScenarioError`."""
    selection: Case = {}
    for name, entry in spot.entries().items():
        value = entry.scalar()
        if value is None:
            raise entry.error("selects nothing. Write one of the values of the matrix.")
        selection[name] = value
    if why := grid.why_none(selection):
        raise ScenarioError(f"{spot.file}:{spot.line}: {spot.way}: {why}")
    return selection


def word(spot: Spot) -> str:
    """A name of small letters, digits, - and _. Raises `ScenarioError`."""
    value = spot.scalar()
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise spot.error("is not a name. Write small letters, digits, - and _, 80 at most.")
    return value


def _read_matrix(spot: Spot) -> dict[str, dict[str, Node]]:
    matrix: dict[str, dict[str, Node]] = {}
    for name, entry in spot.entries().items():
        if name == ALTERNATIVE or not _PARAMETER.fullmatch(name):
            raise spot.key_error(
                entry, name, "cannot name a parameter. Take another word of small letters and _."
            )
        matrix[name] = {}
        for item in entry.items():
            value = item.scalar()
            if value is None or (
                isinstance(value, str) and (value[:1] == "$" or _NOT_IN_A_TITLE.search(value))
            ):
                raise item.error("cannot be a value of the matrix. Write a number, true, false or a word.")
            if spell(value) in matrix[name]:
                raise item.error("is in the list already. Keep one.")
            matrix[name][spell(value)] = item.node
        if not matrix[name]:
            raise entry.error("has no value. Give it one, the base first.")
    return matrix


def _read_alternatives(keys: Mapping[str, Spot]) -> dict[str, dict[str, Spot]]:
    spot = keys["alternatives"]
    alternatives: dict[str, dict[str, Spot]] = {}
    seen: dict[str, str] = {}
    for name, entry in spot.entries().items():
        if not _WORD.fullmatch(name):
            raise spot.key_error(entry, name, "is not a name. Write small letters, digits, - and _.")
        alternatives[name] = entry.entries(VARYING)
        body = {key: part.node.plain() for key, part in _merged(keys, alternatives[name]).items()}
        first = seen.setdefault(repr(sorted(body.items())), name)
        if first != name:
            raise spot.key_error(entry, name, f"is the same as {first!r}. Change it or remove it.")
    for key in REPLACED:
        if alternatives and key in keys and all(key in one for one in alternatives.values()):
            raise keys["alternatives"].key_error(
                keys[key],
                key,
                "of the file is replaced by every alternative. Remove it here or in one of them.",
            )
    return alternatives


def _read_adjustments(spot: Spot, grid: Grid) -> tuple[Adjustment, ...]:
    adjustments = []
    for item in spot.items():
        entries = item.entries({"case", "expect"})
        for key in ("case", "expect"):
            if key not in entries or not entries[key].entries():
                raise item.error(f"lacks {key!r}. Write `{{case: {{…}}, expect: {{…}}}}`.")
        selection = read_selection(entries["case"], grid)
        adjustments.append(Adjustment(selection=selection, expect=entries["expect"]))
    return tuple(adjustments)


def _check_references(
    spots: list[Spot], keys: Mapping[str, Spot], values: Mapping[str, Mapping[str, Node]]
) -> None:
    """Every `$name` is in the matrix, and everything in the matrix is used."""
    used = set()
    for spot in spots:
        for name, place in _references(spot):
            if name not in values:
                hint = did_you_mean(f"${name}", [f"${known}" for known in values])
                raise place.error(f"is not in the matrix.{hint or ' Add it there.'}")
            used.add(name)
    for name in values:
        if name not in used:
            entry = keys["matrix"].entries()[name]
            raise keys["matrix"].key_error(
                entry, name, f"is never used. Write ${name} somewhere, or remove it."
            )


def _used(
    keys: Mapping[str, Spot], alternatives: Mapping[str, Mapping[str, Spot]]
) -> dict[str | None, frozenset[str]]:
    """The parameters that each alternative (None: the file without any) mentions."""
    adjust = [item.entries() for item in keys["adjust"].items()] if "adjust" in keys else []

    def names(choice: str | None) -> frozenset[str]:
        spots = [*_merged(keys, alternatives.get(choice or "", {})).values()]
        for item in adjust:
            asked = item["case"].entries().get(ALTERNATIVE) if "case" in item else None
            if "expect" in item and (asked is None or spell(asked.node.value) == choice):
                spots.append(item["expect"])
        return frozenset(name for spot in spots for name, _ in _references(spot))

    return {choice: names(choice) for choice in (*alternatives, None)}


def _varying(keys: Mapping[str, Spot]) -> list[Spot]:
    return [keys[key] for key in VARYING if key in keys]


def _all(alternatives: Mapping[str, Mapping[str, Spot]]) -> list[Spot]:
    return [spot for one in alternatives.values() for spot in one.values()]


def _references(spot: Spot) -> Iterator[tuple[str, Spot]]:
    value = spot.node.value
    if isinstance(value, Mapping):
        for entry in spot.entries().values():
            yield from _references(entry)
    elif isinstance(value, tuple):
        for item in spot.items():
            yield from _references(item)
    elif isinstance(value, str) and value.startswith("$"):
        yield value[1:], spot


def _merged(keys: Mapping[str, Spot], alternative: Mapping[str, Spot]) -> dict[str, Spot]:
    body = {key: keys[key] for key in VARYING if key in keys}
    for key, spot in alternative.items():
        body[key] = _over(body.get(key), spot, MERGED.get(key, 0))
    return body


def _over(below: Spot | None, above: Spot, depth: int) -> Spot:
    if below is None:
        return above
    return Spot(below.file, below.way if depth else above.way, _merge(below.node, above.node, depth))


def _merge(below: Node, above: Node, depth: int) -> Node:
    """`above` over `below`, key by key and `depth` levels deep; anything else is replaced."""
    if depth == 0 or not isinstance(below.value, Mapping) or not isinstance(above.value, Mapping):
        return above
    entries = dict(below.value)
    for key, node in above.value.items():
        entries[key] = _merge(entries[key], node, depth - 1) if key in entries else node
    return Node(entries, below.line)


def _substitute(node: Node, values: Mapping[str, Node]) -> Node:
    """With each `$name` replaced. The value keeps its line in the matrix: that is where to mend it."""
    if isinstance(node.value, tuple):
        return Node(tuple(_substitute(item, values) for item in node.value), node.line)
    if isinstance(node.value, Mapping):
        return Node({key: _substitute(item, values) for key, item in node.value.items()}, node.line)
    if isinstance(node.value, str) and node.value.startswith("$"):
        return values[node.value[1:]]
    return node


def _value(node: Node) -> Value:
    assert isinstance(node.value, str | int | float | bool)  # `_read_matrix` lets nothing else through
    return node.value
