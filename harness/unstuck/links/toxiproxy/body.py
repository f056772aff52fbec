"""Reads JSON bodies with the leniency and the strictness that clients of a Go server are used to.

Keys match in any case, unknown ones are passed over, null leaves a field as it is, what stands behind
the first value is not looked at. A value of another type is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar, cast

from unstuck.links.toxiproxy.problem import bad_body

T = TypeVar("T")
FLOAT32_MAX = 3.4e38
INT64 = range(-(2**63), 2**63)
_GO_TYPES: Mapping[type, str] = {str: "string", bool: "bool", int: "int64", float: "float32"}


def read_value(data: bytes) -> Any:
    """The first JSON value of a body. Raises `ApiError`."""
    text = data.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise bad_body("EOF")
    try:
        return json.JSONDecoder(parse_constant=_no_constant).raw_decode(text)[0]
    except RecursionError:
        raise bad_body("exceeded max depth") from None
    except ValueError as error:
        position = getattr(error, "pos", 0)
        if position >= len(text.rstrip()):
            raise bad_body("unexpected EOF") from None
        raise bad_body(f"invalid character {text[position]!r} at offset {position}") from None


def lowered(value: Any, what: str) -> dict[str, Any]:
    """A JSON object with its keys in lower case; null is an empty one. Raises `ApiError`."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_body(f"json: cannot unmarshal {_kind(value)} into Go value of type {what}")
    return {key.lower(): item for key, item in value.items()}


def field(values: Mapping[str, Any], name: str, default: T, where: str) -> T:
    """The value of `name`, of the type of `default`: str, bool, int or float. Raises `ApiError`."""
    value = values.get(name)
    if value is None:
        return default
    kind: type = type(default)
    if kind is float and type(value) is int and abs(value) < FLOAT32_MAX:
        value = float(value)
    if type(value) is not kind or not _holds(value):
        number = f" {value}" if kind is int and type(value) in (int, float) else ""
        raise bad_body(
            f"json: cannot unmarshal {_kind(value)}{number} into Go struct field {where}.{name} "
            f"of type {_GO_TYPES[kind]}"
        )
    return cast("T", value)


def _holds(value: Any) -> bool:
    """True when a variable of Go's holds it."""
    if type(value) is int:
        return value in INT64
    return type(value) is not float or abs(value) < FLOAT32_MAX


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    for kind, word in ((str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return word
    return "number"


def _no_constant(name: str) -> NoReturn:
    raise bad_body(f"invalid character {name[0]!r} looking for beginning of value")
