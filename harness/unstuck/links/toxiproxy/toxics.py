"""Toxics as clients of the API write them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from unstuck.links.toxics import BEHAVIOURS
from unstuck.links.toxics.of_link import LinkToxics
from unstuck.links.toxics.port import Behaviour, Stream, Toxic
from unstuck.links.toxics.text import attribute_names
from unstuck.links.toxiproxy.body import field, lowered, read_value
from unstuck.links.toxiproxy.problem import invalid_stream, invalid_type, toxic_exists, toxic_not_found


def add_toxic(toxics: LinkToxics, body: bytes) -> Toxic:
    """`stream` is downstream, `toxicity` 1, the name made of both, unless they are given. Raises
    `ApiError`."""
    values = lowered(read_value(body), "toxics.ToxicWrapper")
    kind = field(values, "type", "", "ToxicWrapper")
    stream = field(values, "stream", "downstream", "ToxicWrapper")
    name = field(values, "name", "", "ToxicWrapper")
    toxicity = field(values, "toxicity", 1.0, "ToxicWrapper")
    attributes = lowered(values.get("attributes"), "toxics.NoopToxic")
    if stream.lower() not in ("upstream", "downstream"):
        raise invalid_stream()
    if kind not in BEHAVIOURS:
        raise invalid_type()
    toxic = Toxic(
        name=name or f"{kind}_{stream}",
        stream=cast("Stream", stream.lower()),
        toxicity=toxicity,
        behaviour=_changed(BEHAVIOURS[kind](), attributes),
    )
    if toxics.get(toxic.name) is not None:
        raise toxic_exists()
    toxics.add(toxic)
    return toxic


def update_toxic(toxics: LinkToxics, name: str, body: bytes) -> Toxic:
    """Attributes and toxicity that are given; all else stays. Raises `ApiError`."""
    toxic = known_toxic(toxics, name)
    values = lowered(read_value(body), "struct")
    changed = dataclasses.replace(
        toxic,
        toxicity=field(values, "toxicity", toxic.toxicity, ""),
        behaviour=_changed(toxic.behaviour, lowered(values.get("attributes"), "toxic")),
    )
    toxics.change(changed)
    return changed


def known_toxic(toxics: LinkToxics, name: str) -> Toxic:
    """Raises `ApiError`."""
    toxic = toxics.get(name)
    if toxic is None:
        raise toxic_not_found()
    return toxic


def _changed(behaviour: Behaviour, attributes: Mapping[str, Any]) -> Behaviour:
    """With the attributes that it has; others are passed over."""
    given = {
        name: field(attributes, name, getattr(behaviour, name), ".attributes")
        for name in attribute_names(behaviour.kind)
    }
    return cast("Behaviour", dataclasses.replace(cast("Any", behaviour), **given))
