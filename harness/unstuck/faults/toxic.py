"""Makes a link slow, narrow, silent or brittle for a while, as Toxiproxy's toxics do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from unstuck.errors import did_you_mean
from unstuck.faults.port import Hand, Missed
from unstuck.links.toxics.port import Toxic
from unstuck.links.toxics.text import attribute_names, behaviour_of

NAME = "toxic"
NEEDS = frozenset({"links"})
LANDS = "it was in force, read back, and bytes of at least one connection came to it"
LASTING = True

NEEDED: Mapping[str, str] = {
    "bandwidth": "rate",
    "latency": "latency",
    "limit_data": "bytes",
    "slicer": "average_size",
    "slow_close": "delay",
}
"""Attributes without which a type does nothing, or nothing that anybody means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Toxiproxy's: milliseconds, but for `rate` (kB/s), `bytes` and sizes, and a slicer's `delay` (µs)."""

    average_size: int | None = None
    bytes: int | None = None
    delay: int | None = None
    jitter: int | None = None
    latency: int | None = None
    rate: int | None = None
    size_variation: int | None = None
    timeout: int | None = None

    def given(self) -> dict[str, int]:
        """Those that are said."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`upstream` is to the dependency. `toxicity`: the share of connections. Raises `ValueError`."""

    link: str
    type: Literal["bandwidth", "latency", "limit_data", "reset_peer", "slicer", "slow_close", "timeout"]
    for_s: float
    attributes: Attributes | None = None
    stream: Literal["upstream", "downstream"] = "downstream"
    toxicity: float = 1.0

    def __post_init__(self) -> None:
        known, given = attribute_names(self.type), self.given()
        for name, value in given.items():
            if name not in known:
                raise ValueError(
                    f"says attributes.{name}, which {self.type} does not have.{did_you_mean(name, known)}"
                )
            if value < 0:
                raise ValueError(f"says attributes.{name}={value}. Take 0 or more.")
        needed = NEEDED.get(self.type)
        if needed is not None and needed not in given:
            raise ValueError(f"lacks attributes.{needed}, without which {self.type} does nothing. Add it.")
        if not 0 < self.toxicity <= 1:
            raise ValueError(f"says toxicity={self.toxicity:g}. Take a share, above 0 and up to 1.")

    def given(self) -> dict[str, int]:
        """The attributes that are said."""
        return self.attributes.given() if self.attributes else {}

    def sentence(self) -> str:
        """What it does, in words."""
        told = ", ".join(f"{name} {value}" for name, value in self.given().items())
        share = "" if self.toxicity == 1 else f" on {self.toxicity:.0%} of its connections"
        what = f"{self.type} ({told})" if told else self.type
        return f"{what} {self.stream} on {self.link}{share} for {self.for_s:g} s"


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    name = f"fault-{hand.number}.{hand.occasion.event}"
    toxic = Toxic(
        name=name,
        stream=parameters.stream,
        toxicity=parameters.toxicity,
        behaviour=behaviour_of(parameters.type, parameters.given()),
    )
    hand.memory["toxic"] = name  # before it is asked for: what fails midway is undone as well
    links = hand.add_toxic(parameters.link, toxic)
    hand.struck()
    if not hand.until("bytes come to it", lambda: hand.poisoned(name), parameters.for_s):
        raise Missed(f"no byte came {parameters.stream} through {', '.join(links)} in {parameters.for_s:g} s")
    return {"how": f"{parameters.sentence()}; bytes came to it on {', '.join(hand.poisoned(name))}"}


def heal(hand: Hand, parameters: Parameters) -> None:
    name = hand.memory.pop("toxic", None)
    if name is not None:
        hand.remove_toxic(parameters.link, name)
