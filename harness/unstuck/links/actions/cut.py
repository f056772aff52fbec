"""Ends both connections before the request goes on, or instead of the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unstuck.links.rules import Cut
    from unstuck.links.turn import Turn


def apply(turn: Turn, action: Cut) -> None:
    turn.cut(with_reset=action.reset)
