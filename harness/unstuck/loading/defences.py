"""Reads what a scenario says of the target's defences: which it guards, and which were missing one day."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from unstuck.cases import Grid
from unstuck.catalogue import Catalogue
from unstuck.errors import did_you_mean
from unstuck.loading.fields import typed
from unstuck.loading.spot import Spot
from unstuck.loading.template import read_selection
from unstuck.scenario import Before, Guard

_LISTS: Final = ("defences_off", "fails")


def read_guards(spot: Spot, grid: Grid, catalogue: Catalogue) -> tuple[Guard, ...]:
    """Each defence with the property that must fail without it. Raises `ScenarioError`."""
    guards = []
    for defence, guard in spot.entries().items():
        if defence not in catalogue.defences:
            hint = did_you_mean(defence, catalogue.defences)
            raise spot.key_error(guard, defence, f"is not a defence of this target.{hint}")
        entries = guard.entries({"by", "case"})
        if "by" not in entries:
            raise guard.error("lacks 'by'. Name the property that must fail without this defence.")
        by = entries["by"].scalar()
        if not isinstance(by, str) or by not in catalogue.properties:
            raise entries["by"].unknown("a property", catalogue.properties)
        case = read_selection(entries["case"], grid) if "case" in entries else {}
        guards.append(Guard(defence=defence, by=by, case=case))
    return tuple(guards)


def read_before(spot: Spot, catalogue: Catalogue) -> Before:
    """The service of the incident's day. Raises `ScenarioError`."""
    entries = spot.entries({"happened", *_LISTS})
    for key in _LISTS:
        if key not in entries:
            raise spot.error(f"lacks {key!r}. Write `{{defences_off: [a, b], fails: [a_property]}}`.")
    happened = " ".join(str(typed(entries["happened"], (str,))).split()) if "happened" in entries else ""
    return Before(
        defences_off=_names(entries["defences_off"], "a defence of this target", catalogue.defences),
        fails=_names(entries["fails"], "a property", catalogue.properties),
        happened=happened,
    )


def _names(spot: Spot, what: str, known: Collection[str]) -> tuple[str, ...]:
    """A list of known names, at least one, each once."""
    names: list[str] = []
    for item in spot.items():
        name = item.scalar()
        if not isinstance(name, str) or name not in known:
            raise item.unknown(what, known)
        if name in names:
            raise item.error("is in the list already. Keep one.")
        names.append(name)
    if not names:
        raise spot.error(f"is empty. Name {what}.")
    return tuple(names)
