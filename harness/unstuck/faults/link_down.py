"""A role's connection to a dependency goes: open connections are reset, new ones refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unstuck.faults.port import Hand
from unstuck.links.rules import DOWN, UP

NAME = "link_down"
NEEDS = frozenset({"links"})
LANDS = "the proxy has closed the link"
LASTING = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`link`: `role.dependency`."""

    link: str
    for_s: float


def inject(hand: Hand, parameters: Parameters) -> Mapping[str, Any]:
    hand.link_state(parameters.link, DOWN)
    hand.struck()
    return {"how": f"{parameters.link} is down"}


def heal(hand: Hand, parameters: Parameters) -> None:
    hand.link_state(parameters.link, UP)
