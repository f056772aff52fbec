"""Builds a frozen dataclass from a mapping of a scenario file, by the types of its fields."""

from __future__ import annotations

import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from unstuck.errors import did_you_mean
from unstuck.loading.spot import Spot
from unstuck.loading.vocabulary import Vocabulary
from unstuck.yaml_source import Scalar

T = TypeVar("T")
Reader = Callable[[Spot], Any]

_WORDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "null",
    dict: "a mapping",
    list: "a list",
}


def build(
    kind: type[T],
    spot: Spot,
    words: Vocabulary,
    *,
    spelled: Mapping[str, str] | None = None,
    readers: Mapping[str, Reader] | None = None,
) -> T:
    """An instance of the frozen dataclass `kind`. Raises `ScenarioError` at the first thing that is wrong.

    `spelled` maps a field to its key in the file, where they differ; `readers` read the fields (by their
    names) that types alone cannot describe. A `ValueError` of the class itself becomes a `ScenarioError`.
    """
    spelled = spelled or {}
    readers = readers or {}
    members = {spelled.get(field.name, field.name): field for field in _fields(cast("Hashable", kind))}
    hints = _hints(cast("Hashable", kind))
    given = spot.entries(members)
    values: dict[str, Any] = {}
    for key, field in members.items():
        if key not in given:
            if field.default is MISSING and field.default_factory is MISSING:
                raise spot.error(f"lacks {key!r}. Add it.")
            continue
        read = readers.get(field.name)
        hint = hints[field.name]
        values[field.name] = read(given[key]) if read else _value(hint, given[key], words, field.name)
    try:
        return kind(**values)
    except ValueError as error:
        raise spot.error(" ".join(str(error).split())) from None


def typed(spot: Spot, allowed: tuple[type, ...]) -> Scalar:
    """The scalar at `spot`, when it is of an allowed type; an int also counts as a float, a bool as neither.

    Raises `ScenarioError`.
    """
    value = spot.scalar()
    if type(value) in allowed:
        return value
    if type(value) is int and float in allowed:
        return float(value)
    wanted = " or ".join(_WORDS.get(one, one.__name__) for one in allowed)
    raise spot.error(f"is {_WORDS[type(value)]}. Write {wanted}.")


def one_of(spot: Spot, choices: tuple[Scalar, ...]) -> Scalar:
    """The scalar at `spot`, when it is among `choices` (and of the same type). Raises `ScenarioError`."""
    value = spot.scalar()
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return value
    raise spot.error(f"is not allowed here.{did_you_mean(str(value), map(str, choices))}")


def _value(hint: Any, spot: Spot, words: Vocabulary, field: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType) and type(None) in arguments and spot.node.value is None:
        return None
    if origin in (Union, types.UnionType):
        rest = tuple(one for one in arguments if one is not type(None))
        if len(rest) == 1:
            return _value(rest[0], spot, words, field)
        value: Any = typed(spot, rest)
    elif origin is Literal:
        value = one_of(spot, arguments)
    elif origin is tuple and arguments[1:] == (...,):
        return tuple(_value(arguments[0], item, words, field) for item in spot.items())
    elif is_dataclass(hint) and isinstance(hint, type):
        return build(hint, spot, words)
    elif hint in (bool, int, float, str):
        value = typed(spot, (hint,))
    else:
        raise TypeError(f"field {field!r} has type {hint!r}, which no scenario can write")
    words.check(field, spot)
    return value


@cache
def _fields(kind: Hashable) -> tuple[Field[Any], ...]:
    assert is_dataclass(kind)
    return fields(kind)


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)
