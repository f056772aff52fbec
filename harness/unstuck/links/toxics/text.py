"""Toxics as JSON objects and back, in Toxiproxy's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from unstuck.errors import UsageError, did_you_mean
from unstuck.links.toxics import BEHAVIOURS
from unstuck.links.toxics.port import Behaviour, Stream, Toxic


def attributes_of(behaviour: Behaviour) -> dict[str, int]:
    """Name and number of each, in their order."""
    return dataclasses.asdict(cast("Any", behaviour))


def encode_toxic(toxic: Toxic) -> dict[str, Any]:
    """`decode_toxic` gives back an equal one. A whole toxicity is written as a whole number."""
    toxicity = toxic.toxicity
    return {
        "attributes": attributes_of(toxic.behaviour),
        "name": toxic.name,
        "type": toxic.behaviour.kind,
        "stream": toxic.stream,
        "toxicity": int(toxicity) if toxicity == int(toxicity) else toxicity,
    }


def decode_toxic(record: Mapping[str, Any]) -> Toxic:
    """Raises `UsageError` for a type or an attribute that does not exist."""
    kind = str(record["type"])
    return Toxic(
        name=str(record["name"]),
        stream=cast("Stream", record["stream"]),
        toxicity=float(record["toxicity"]),
        behaviour=behaviour_of(kind, record["attributes"]),
    )


def behaviour_of(kind: str, attributes: Mapping[str, int]) -> Behaviour:
    """What is not given is 0. Raises `UsageError`."""
    if kind not in BEHAVIOURS:
        raise UsageError(f"toxic: type={kind!r} is unknown.{did_you_mean(kind, BEHAVIOURS)}")
    known = attribute_names(kind)
    for name in attributes:
        if name not in known:
            raise UsageError(f"toxic: {name!r} is no attribute of {kind}.{did_you_mean(name, known)}")
    return BEHAVIOURS[kind](**attributes)


def attribute_names(kind: str) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cast("Any", BEHAVIOURS[kind])))
