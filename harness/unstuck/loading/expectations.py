"""Reads what a scenario expects, and what it changes of the target: properties, settings, roles."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from unstuck.errors import did_you_mean
from unstuck.loading.fields import build, typed
from unstuck.loading.spot import Spot
from unstuck.loading.vocabulary import Vocabulary
from unstuck.scenario import CANONICAL_STATES, RoleOptions

Setting = str | int | float | bool
EMPTY: Final[Mapping[str, Setting]] = MappingProxyType({})
MODE = "mode"  # the parameter that `effects: exactly_once` sets; else the only one of a property
ANY_KEY = "*"
OUTCOMES = "outcomes"  # its keys are words of this language: a tag of the workload, or a state
LATENCY = "latency_within"  # its keys are tags
COMPARED_BY: Final = ("longest", "median")  # a tag of it with another one
BOUNDS: Final = ("exactly", "at_least", "at_most")
DEMANDS: Final[Mapping[str, type]] = {**dict.fromkeys(BOUNDS, int), "state": str, "reason": str}


def read_expect(spot: Spot, words: Vocabulary) -> dict[str, dict[str, Any]]:
    """Property -> parameters, at least one property. Raises `ScenarioError`."""
    known = words.catalogue.properties
    expect: dict[str, dict[str, Any]] = {}
    for name, demand in spot.entries().items():
        if name not in known:
            raise spot.key_error(demand, name, f"is not a property.{did_you_mean(name, known)}")
        expect[name] = _read_parameters(name, demand, words)
    if not expect:
        raise spot.error(f"names no property. Add one of: {', '.join(sorted(known))}.")
    return expect


def _read_parameters(name: str, spot: Spot, words: Vocabulary) -> dict[str, Any]:
    allowed = words.catalogue.properties[name]
    if not isinstance(spot.node.value, tuple | Mapping | None):
        key = MODE if MODE in allowed else next(iter(allowed), ANY_KEY)
        if key == ANY_KEY or (key != MODE and len(allowed) > 1):
            raise spot.error(
                "is a single value, which this property does not take. Write a mapping, or `{}`."
            )
        # The way stays that of the property: nobody wrote the parameter's name.
        return {key: _read_value(key, spot, allowed[key], words)}
    parameters: dict[str, Any] = {}
    for key, value in spot.entries(None if ANY_KEY in allowed else allowed).items():
        if name == OUTCOMES:
            _check_outcome(spot, key, value, words)
        if name == LATENCY and key not in words.tags:
            raise spot.key_error(value, key, f"is not a tag of the workload.{did_you_mean(key, words.tags)}")
        if name == LATENCY and isinstance(value.node.value, Mapping):
            _check_comparison(value, words)
        parameters[key] = _read_value(key, value, allowed.get(key) or allowed[ANY_KEY], words)
    return parameters


def _read_value(field: str, spot: Spot, allowed: tuple[type, ...], words: Vocabulary) -> Any:
    value = spot.node.value
    if isinstance(value, Mapping) and dict in allowed:
        return {key: _read_plain(key, item, words) for key, item in spot.entries().items()}
    if isinstance(value, tuple) and list in allowed:
        return [_read_plain(field, item, words) for item in spot.items()]
    scalars = tuple(one for one in allowed if one not in {dict, list})
    if not scalars:
        wanted = " or ".join("a mapping" if one is dict else "a list" for one in allowed)
        raise spot.error(f"must be {wanted}. Write it as one.")
    typed(spot, scalars)
    words.check(field, spot)
    return value


def _read_plain(field: str, spot: Spot, words: Vocabulary) -> Any:
    if isinstance(spot.node.value, Mapping):
        return {key: _read_plain(key, item, words) for key, item in spot.entries().items()}
    if isinstance(spot.node.value, tuple):
        return [_read_plain(field, item, words) for item in spot.items()]
    words.check(field, spot)
    return spot.node.value


def _check_outcome(spot: Spot, key: str, outcome: Spot, words: Vocabulary) -> None:
    known = {*words.tags, *CANONICAL_STATES}
    if key not in known:
        raise spot.key_error(
            outcome, key, f"is neither a tag of the workload nor a state.{did_you_mean(key, known)}"
        )
    demands = outcome.entries(DEMANDS)
    for name, demand in demands.items():
        typed(demand, (DEMANDS[name],))
    if key in CANONICAL_STATES and "state" in demands:
        raise demands["state"].error(
            "stands under a state already. Name the state once, or use a tag as the key."
        )
    if not (set(BOUNDS) if key in CANONICAL_STATES else set(DEMANDS)).intersection(demands):
        raise outcome.error(f"demands nothing. Add {', '.join(BOUNDS[:-1])} or {BOUNDS[-1]}.")


def _check_comparison(spot: Spot, words: Vocabulary) -> None:
    entries = spot.entries({"factor", "of", "by"})
    if not {"factor", "of"} <= set(entries):
        raise spot.error("compares with nothing. Write `{factor: 0.5, of: TAG}`.")
    if typed(entries["factor"], (int, float)) <= 0:  # type: ignore[operator]  # it is a number
        raise entries["factor"].error("is out of range. Take a number above 0.")
    of = entries["of"]
    if of.scalar() not in words.tags:
        raise of.error(f"is not a tag of the workload.{did_you_mean(str(of.scalar()), words.tags)}")
    by = entries.get("by")
    if by is not None and by.scalar() not in COMPARED_BY:
        told = did_you_mean(str(by.scalar()), COMPARED_BY)
        raise by.error(f"is no way to compare.{told} Take one of: {', '.join(COMPARED_BY)}.")


def read_settings(spot: Spot, words: Vocabulary, below: Mapping[str, Setting] = EMPTY) -> dict[str, Setting]:
    """The target's own settings, of the types and within the bounds that the target declares.

    `below` are those of the whole scenario, when these are a role's. Raises `ScenarioError`.
    """
    known = words.catalogue.settings
    settings: dict[str, Setting] = {}
    for name, setting in spot.entries().items():
        if name not in known:
            raise spot.key_error(
                setting, name, f"is not a setting of this target.{did_you_mean(name, known)}"
            )
        value = typed(setting, (known[name],))
        if not isinstance(value, str):  # what a word may be there, the target knows
            words.check(name, setting)
        assert value is not None  # the catalogue has no setting of type None
        settings[name] = value
    refused = words.catalogue.refuse_settings({**below, **settings})
    if refused is not None:
        blamed, rule = refused
        entry = spot.entries().get(blamed) if blamed else None
        raise (entry or spot).error(f"is refused by the target: {rule}. Take another value.")
    return settings


def read_roles(
    spot: Spot, words: Vocabulary, settings: Mapping[str, Setting] = EMPTY
) -> dict[str, RoleOptions]:
    """What the scenario changes of each role that it names. Raises `ScenarioError`."""
    known = words.catalogue.roles
    roles: dict[str, RoleOptions] = {}
    for name, options in spot.entries().items():
        if name not in known:
            raise spot.key_error(options, name, f"is not a role.{did_you_mean(name, known)}")
        readers = {"settings": lambda own: read_settings(own, words, settings)}
        roles[name] = build(RoleOptions, options, words, readers=readers)
    return roles
