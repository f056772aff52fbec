"""Swallows the message; its direction of the connection stays silent from there on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unstuck.links.turn import Turn


def apply(turn: Turn) -> None:
    turn.mute()
    turn.done("dropped")
