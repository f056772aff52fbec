"""One action a file: what a rule does to the message whose turn it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unstuck.links import rules
from unstuck.links.actions import answer, cut, delay, drop, duplicate, error, hold

if TYPE_CHECKING:
    from unstuck.links.turn import Turn


def apply(turn: Turn) -> None:
    """Lets the rule's action have the message. It ends with one `done`, now or later."""
    match turn.rule.action:
        case rules.Answer() as action:
            answer.apply(turn, action)
        case rules.Drop():
            drop.apply(turn)
        case rules.Delay() as action:
            delay.apply(turn, action)
        case rules.Duplicate() as action:
            duplicate.apply(turn, action)
        case rules.Hold():
            hold.apply(turn)
        case rules.Cut() as action:
            cut.apply(turn, action)
        case rules.Error() as action:
            error.apply(turn, action)
