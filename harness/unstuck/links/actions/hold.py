"""Keeps the message until the harness releases it: time to kill whoever sent it, or awaits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unstuck.links.rules import Then
    from unstuck.links.turn import Turn


def apply(turn: Turn) -> None:
    turn.wait()
    turn.pair.host.hold(turn)
    turn.report("held")


def release(turn: Turn, then: Then) -> None:
    """`forward`: it goes on, even if the client has gone, as bytes on their way would. `cut`: never."""
    turn.report("released", then=then)
    if then == "forward":
        turn.proceed()
    else:
        turn.cut()
